"""Makes a torrent with libtorrent-rasterbar: libtorrent_create.py PATH OUT v1|hybrid PIECE_LENGTH"""
import os, sys
import libtorrent as lt
src, out, form, piece = sys.argv[1:5]
files = lt.file_storage()
lt.add_files(files, src)
t = lt.create_torrent(files, int(piece), {'v1': lt.create_torrent.v1_only, 'hybrid': 0}[form])
lt.set_piece_hashes(t, os.path.dirname(src))
with open(out, 'wb') as f:
    f.write(lt.bencode(t.generate()))
