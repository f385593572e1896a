package engine

import (
	_ "github.com/anacrolix/dht/v2"
	_ "github.com/anacrolix/torrent"
	_ "github.com/dustin/go-humanize"
	_ "github.com/go-git/go-git/v5/plumbing/format/gitignore"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/urfave/cli/v2"
	_ "github.com/vbauerster/mpb/v8"
	_ "golang.org/x/sync/errgroup"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "golang.org/x/text/unicode/norm"
	_ "golang.org/x/time/rate"
)
