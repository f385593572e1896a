// Package bench measures p2pshare beside other programs that do the same, in networks of its own on
// one machine.
//
// Swarm, Link, Build, WebSeed and Reuse each take an Env and options, and answer with a Report: every
// run, and tables of medians. Report.Text is for people, WriteSVG draws how a swarm fills over time,
// and the Report itself is what is written as JSON.
//
// What is promised: the programs are run as their users run them, p2pshare's binary too; the programs
// that are compared take turns in every round, so that what disturbs the machine disturbs all of them;
// every run's bytes are compared with what was shared, and a run that is not whole is shown as that and
// has no time. Networks are namespaces with no way out. Their names hold this process's number and the
// time it started; they and the work folder go when the measuring ends, however it ends, and what a
// killed process left goes at the next start.
//
// It never measures in the network of the machine, never touches its interfaces, changes no file
// outside the work folder, and takes next to nothing of the processors while a run goes on: programs
// say on their output when they are done, and counters are read every 50 ms at most.
//
// It knows p2pshare by its command line alone.
package bench
