// Package house checks the rules for the source: which packages may import which, how long files may be, what libraries may
// not do. It contains only tests.
package house
