// Package bench compares p2pshare with similar programs, in isolated networks on one machine.
//
// Swarm, Link, Build, WebSeed and Reuse each take an Env and options, and return a Report: every
// run, and tables of medians. Report.Text is for people, WriteSVG draws how a swarm fills over time,
// and the Report itself is what is written as JSON.
//
// Guaranteed: all programs, including p2pshare's binary, run as their users run them; they take turns in every round, so that
// disturbances of the machine affect all of them; the bytes of every run are compared with the original, and an incomplete run
// is shown as such and has no time. Networks are namespaces with no way out. Their names contain this process's number and
// start time; they and the work folder are removed at the end, however it comes, and leftovers of a killed process at the
// next start.
//
// It never measures in the machine's own network, never touches its interfaces, changes no files
// outside the work folder, and takes almost no processor time during a run: programs report on their output that they are
// done, and counters are read at most every 50 ms.
//
// It uses p2pshare only through its command line.
package bench
