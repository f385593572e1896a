// Command mutate makes small changes to the code that decides whom to trust, one at a time, and runs the tests of
// the changed package on each: a change that no test notices is a promise that no test holds.
//
//	go run ./integration/mutate [-n 50] [-seed 1] [-run TEXT] PACKAGE...
//
// The work tree is never touched: the go command's -overlay gives the tests the changed file. A package's own tests
// have to notice; what only another package's tests would notice counts as unnoticed. Changes that make no difference
// to behaviour stand in equivalent.txt with the reason, one a line: FILE, the change, the reason, divided by tabs.
// The exit code is 1 if a change went unnoticed, 2 if the tests fail without any change.
package main
