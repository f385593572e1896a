"""Builds a torrent with libtorrent-rasterbar: PATH OUT v1|v2|hybrid PIECE_LENGTH ANNOUNCE"""
import os
import sys

import libtorrent as lt

source, out, mode, piece, announce = sys.argv[1:6]
files = lt.file_storage()
lt.add_files(files, source)
torrent = lt.create_torrent(files, int(piece), {'v1': lt.create_torrent.v1_only, 'v2': lt.create_torrent.v2_only, 'hybrid': 0}[mode])
if announce:
    torrent.add_tracker(announce)
lt.set_piece_hashes(torrent, os.path.dirname(source))
with open(out, 'wb') as f:
    f.write(lt.bencode(torrent.generate()))
