package metrics

import "time"

const (
	// maxShares is how many shares are listed one by one, the oldest first; with nine series each that is 9,000, which
	// Prometheus handles easily. The totals count all.
	maxShares = 1000
	// maxGroups bounds those that are listed, with eleven series each.
	maxGroups = 100
	// maxName bounds the label of a share's name, in bytes. A torrent's name may have 255.
	maxName = 255

	statusTimeout = 10 * time.Second // Prometheus's default scrape timeout
	// Enough for two scrapers and a browser.
	maxConns     = 16
	maxAtOnce    = 4
	headTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute // longer than the usual minute between scrapes
	maxHead      = 8 << 10
	endTimeout   = time.Second
)
