package metrics

import "time"

const (
	// maxShares are listed one by one, the oldest first; with nine series each that is 9,000, which Prometheus
	// takes in its stride. The totals count all.
	maxShares = 1000
	// maxName cuts the label of a share's name. A torrent's may have 255 bytes.
	maxName = 255

	statusTimeout = 10 * time.Second // Prometheus's own scrape timeout by default
	// A scraper, a second one and somebody with a browser.
	maxConns     = 16
	maxAtOnce    = 4
	headTimeout  = 5 * time.Second
	writeTimeout = 30 * time.Second
	idleTimeout  = 2 * time.Minute // longer than the usual minute between scrapes
	maxHead      = 8 << 10
	endTimeout   = time.Second
)
