// Command draw writes the picture in the README: draw BINARY FILE.svg
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/p2pshare/p2pshare/integration/record"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: draw BINARY FILE.svg")
		os.Exit(4)
	}
	svg, err := record.Picture(context.Background(), os.Args[1])
	if err == nil {
		err = os.WriteFile(os.Args[2], svg, 0o644)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "draw: %v\n", err)
		os.Exit(1)
	}
}
