// Package doctor judges why nothing moves: facts that others gathered go in, findings in plain sentences, each
// with the act that helps, come out.
//
// Entry point: Judge.
//
// Guaranteed: the same facts give the same findings, the gravest first; a fact that is not known gives none;
// commands in findings name shares by their IDs, for names come from strangers. The package asks nobody, reads
// no file and knows no time but the facts'.
package doctor
