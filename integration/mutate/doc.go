// Command mutate makes small changes to the code that decides whom to trust, one at a time, and runs the tests of the changed
// package on each: if no test notices a change, no test checks that code.
//
//	go run ./integration/mutate [-n 50] [-seed 1] [-run TEXT] PACKAGE...
//
// The working tree is never changed: the go command's -overlay gives the changed file to the tests. The package's own tests
// have to notice; a change that only another package's tests would notice counts as unnoticed. Changes without an effect on
// behaviour are listed in equivalent.txt, one per line: FILE, the change and the reason, separated by tabs.
// The exit code is 1 if a change went unnoticed, 2 if the tests fail without any change.
package main
