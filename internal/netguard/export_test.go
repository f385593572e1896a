package netguard

// FetchTorrentLimit is FetchTorrent with another size limit, so that tests do not need 64 MiB.
var FetchTorrentLimit = fetchTorrent
