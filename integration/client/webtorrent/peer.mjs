// A WebTorrent peer: MODE PORT REF DIR SECURE; MODE is seed or fetch. Prints "done" once it has the whole torrent, and keeps running.
import WebTorrent from 'webtorrent'

const [mode, port, ref, dir, secure] = process.argv.slice(2)
const client = new WebTorrent({
  torrentPort: Number(port), dht: false, lsd: false, utp: false, natUpnp: false, natPmp: false, webSeeds: false, secure: secure === 'true'
})
const fail = err => { console.error(String(err)); process.exit(1) }
client.on('error', fail)
const torrent = client.add(ref, { path: dir })
torrent.on('error', fail)
torrent.on('warning', err => console.error(String(err)))
torrent.on('done', () => console.log('done'))
torrent.on('ready', () => console.log(mode, torrent.progress))
