package netguard

// FetchTorrentLimit is FetchTorrent with another size limit, so that tests need no 64 MiB.
var FetchTorrentLimit = fetchTorrent
