#!/usr/bin/env python3
"""The next release: how much is transferred when most of its bytes are on disk, compared with a plain fetch.

usage: reuse.py [--p2pshare BIN] [--size MB] [--cases ten,hundred,thousand] [--runs N] [--mbit N] [--piece SIZE]
A release of ten files, and the next one, in which a tenth of the bytes is new: inserted in the middle of each file (ten), or
in a hundred or about sixteen hundred places, half inserted and half overwritten. Ways: plain, without the old release;
aligned, with --reuse and no index; chunks, with --reuse and the index. "moved" is everything that the fetcher's network
interface received, plus the .torrent and, for chunks, the index, as if it had fetched them too.
Each way in turn, N rounds, medians; the bytes of every run are compared. Needs root (network namespaces), and Debian's iproute2.
"""
import argparse, atexit, filecmp, json, os, random, shutil, signal, statistics, subprocess, sys, tempfile, time
HERE = os.path.dirname(os.path.abspath(__file__)); sys.path.insert(0, HERE)
from netlab import Lab
P = argparse.ArgumentParser()
P.add_argument('--p2pshare', default='p2pshare'); P.add_argument('--size', type=int, default=1000, help='of the next release, MB')
P.add_argument('--cases', default='ten,hundred,thousand'); P.add_argument('--ways', default='plain,aligned,chunks')
P.add_argument('--runs', type=int, default=1); P.add_argument('--mbit', type=float, help='shape the link, each way')
P.add_argument('--piece', help="the publisher's --piece-length"); P.add_argument('--work'); P.add_argument('--timeout', type=int, default=300)
A = P.parse_args(); BIN = os.path.realpath(shutil.which(A.p2pshare) or A.p2pshare)
W = A.work or tempfile.mkdtemp(prefix='p2preuse-', dir='/dev/shm'); os.makedirs(W, exist_ok=True); atexit.register(shutil.rmtree, W, True)
lab = Lab(2); atexit.register(lab.close)
if A.mbit:
    for i in (1, 2): lab.shape(i, A.mbit, A.mbit)
FILES, MB = 10, 1_000_000
NEW = A.size * MB // 10 // FILES                     # new bytes of each file
PLACES = {'ten': 1, 'hundred': 10, 'thousand': max(1, NEW >> 16)}

def make(case):
    """Make the old release and the next one, which has the given size."""
    random.seed(11); n = PLACES[case]; one = NEW // n
    for i in range(FILES):
        data = random.randbytes(A.size * MB // FILES - NEW); out, at = bytearray(), 0
        for k in range(n):
            cut = len(data) * (2 * k + 1) // (2 * n)
            out += data[at:cut] + random.randbytes(one)
            at = cut + (one if k % 2 and n > 1 else 0)  # overwritten, or inserted
        out += data[at:]
        for d, b in ('app-1', data), ('app-2', out):
            os.makedirs(f'{W}/{case}/{d}', exist_ok=True); open(f'{W}/{case}/{d}/part-{i}.bin', 'wb').write(b)

def rx(): return int(subprocess.check_output(lab.exec(2, ['cat', '/sys/class/net/eth0/statistics/rx_bytes'])))
def size(p): return sum(os.path.getsize(os.path.join(d, f)) for d, _, fs in os.walk(p) for f in fs) if os.path.isdir(p) else os.path.getsize(p)
def same(a, b):
    x = sorted(os.listdir(a)); return x == sorted(os.listdir(b)) and all(filecmp.cmp(f'{a}/{f}', f'{b}/{f}', False) for f in x)

def fetch(case, way, n):
    d = f'{W}/{case}'; dst = f'{d}/dst'; shutil.rmtree(dst, True); os.makedirs(dst)
    torrent = f'{d}/app.torrent' if way == 'chunks' else f'{d}/bare/app.torrent'
    cmd = [BIN, 'fetch', '--home', f'{d}/home-{way}-{n}', '--json', '--no-dht', '--no-lan', '--no-upnp', '--peer', f'{lab.ip(1)}:21000', '-o', dst, torrent]
    if way != 'plain': cmd += ['--reuse', f'{d}/app-1']
    before, t0 = rx(), time.time()
    p = subprocess.run(['/usr/bin/time', '-f', '%M %U %S'] + lab.exec(2, cmd), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=A.timeout)
    wall, moved = time.time() - t0, rx() - before
    if p.returncode or not same(f'{d}/app-2', f'{dst}/app-2'): sys.exit(f'{case} {way}: failed\n{p.stdout[-2000:]}{p.stderr[-2000:]}')
    got = [json.loads(l) for l in p.stdout.splitlines() if '"fetched"' in l][-1]['bytes_from']
    rss, user, system = p.stderr.split()[-3:]
    moved += size(f'{d}/app.torrent') + (size(f'{d}/app.chunks') if way == 'chunks' else 0)
    return wall, moved, got['reused'], float(user) + float(system), int(rss) / 1024

print(f'# next release of {A.size} MB, a tenth of it new{f", link {A.mbit:g} Mbit/s" if A.mbit else ""}; medians of {A.runs}')
print(f'{"case":9s} {"way":8s} {"s":>7s} {"moved MB":>9s} {"moved":>7s} {"reused":>7s} {"cpu s":>6s} {"RSS MB":>6s}')
for case in A.cases.split(','):
    make(case); d = f'{W}/{case}'; os.makedirs(f'{d}/bare'); t0 = time.time()
    piece = ['--piece-length', A.piece] if A.piece else []
    secs = []
    for chunks in 'off', 'on':
        t0 = time.time(); subprocess.run([BIN, 'publish', '--home', f'{d}/home', '--no-seed', '-o', f'{d}/app.torrent', '--chunks', chunks, *piece, f'{d}/app-2'], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        secs.append(time.time() - t0)
    shutil.copy(f'{d}/app.torrent', f'{d}/bare/app.torrent')
    total = size(f'{d}/app-2')
    seed = subprocess.Popen(lab.exec(1, [BIN, 'seed', '--home', f'{d}/home', '--no-dht', '--no-lan', '--no-upnp', '--port', '21000', '--json', f'{d}/app.torrent', '--data', d]), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        for line in seed.stdout:
            if '"seeding"' in line: break
        res = {}
        for n in range(A.runs):
            for way in A.ways.split(','): res.setdefault(way, []).append(fetch(case, way, n))
    finally:
        seed.send_signal(signal.SIGINT); seed.stdout.read(); seed.wait()
    for way, rs in res.items():
        wall, moved, reused, cpu, rss = (statistics.median(r[i] for r in rs) for i in range(5))
        print(f'{case:9s} {way:8s} {wall:7.2f} {moved / 1e6:9.1f} {100 * moved / total:6.1f}% {100 * reused / total:6.1f}% {cpu:6.2f} {rss:6.0f}', flush=True)
    print(f'# {case}: index {size(f"{d}/app.chunks")} bytes, {100 * size(f"{d}/app.chunks") / total:.3f} % of the content; publish {secs[0]:.2f} s without it, {secs[1]:.2f} s with it', flush=True)
    shutil.rmtree(d, True)
