// Package house checks the rules that the source keeps: who may import whom, how long a file may be,
// what a library may not do. It holds tests alone.
package house
