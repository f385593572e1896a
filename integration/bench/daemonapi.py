"""A p2pshare daemon for benchmarks: runs on a host of a lab, is controlled over its socket and measured in /proc."""
import http.client, json, os, signal, socket, subprocess, time

class _Unix(http.client.HTTPConnection):
    def __init__(self, path): super().__init__('p2pshare', timeout=600); self.path = path
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX); self.sock.settimeout(self.timeout); self.sock.connect(self.path)

class Daemon:
    def __init__(self, binary, home, flags=(), wrap=lambda c: c, log=subprocess.DEVNULL):
        self.home = home; self.begun = time.monotonic()
        self.proc = subprocess.Popen(wrap([binary, 'daemon', '--home', home, '--floor', '0', *flags]), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while True:
            try: self.ask('version', None); break
            except OSError:
                if self.proc.poll() is not None: raise SystemExit(f'the daemon of {home} exited: {self.proc.returncode}')
                time.sleep(0.002)
        self.answered = time.monotonic() - self.begun
    def send(self, verb, request):
        c = _Unix(f'{self.home}/p2pshare.sock')
        if request is None: c.request('GET', f'/v1/{verb}')
        else: c.request('POST', f'/v1/{verb}', json.dumps(request), {'Content-Type': 'application/json'})
        return c, c.getresponse()
    def ask(self, verb, request):
        c, r = self.send(verb, request)
        try: a = json.loads(r.read())
        finally: c.close()
        if request is None: return a
        if 'problem' in a: raise SystemExit(f'{verb}: {a["problem"]}')
        return a['result']
    def until(self, verb, request, enough):
        """Read the events of a request until enough(event) is true, and return that event."""
        c, r = self.send(verb, request)
        try:
            for line in r:
                l = json.loads(line)
                if 'event' in l and enough(l['event']): return l['event']
                if 'end' in l: raise SystemExit(f'{verb} ended: {l["end"]}')
        finally: c.close()
        raise SystemExit(f'{verb}: the daemon closed the connection')
    def status(self, *refs): return self.ask('status', {'refs': list(refs)} if refs else {})
    def cpu(self):
        s = open(f'/proc/{self.proc.pid}/stat').read().rsplit(')', 1)[1].split()
        return (int(s[11]) + int(s[12])) / os.sysconf('SC_CLK_TCK')
    def memory(self, what='VmRSS'):
        return next(int(l.split()[1]) / 1024 for l in open(f'/proc/{self.proc.pid}/status') if l.startswith(what))
    def sent(self):
        """Bytes and packets sent by the host's interfaces; None outside a lab."""
        try: lines = open(f'/proc/{self.proc.pid}/net/dev').read().splitlines()[2:]
        except OSError: return None
        f = [l.split(':')[1].split() for l in lines if not l.strip().startswith('lo:')]
        return sum(int(x[8]) for x in f), sum(int(x[9]) for x in f)
    def end(self):
        begun = time.monotonic(); self.proc.send_signal(signal.SIGTERM); self.proc.wait(); return time.monotonic() - begun
