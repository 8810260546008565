"""Another system's web server, over TLS, for tests that fetch something from it.

    with https_site.Site("127.0.3.1", port, cert, key) as s:
        s.body = b"version: STSv1 ..."        # also s.type, s.status
        s.asked                               # paths
        s.posted                              # (path, type, content) of what was posted
"""
import contextlib
import http.server
import ssl
import threading


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.site.asked.append(self.path)
        self.answer()

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.site.posted.append((self.path, self.headers["Content-Type"], content))
        self.answer()

    def answer(self):
        site = self.server.site
        self.send_response(site.status)
        self.send_header("Content-Type", site.type)
        self.send_header("Content-Length", str(len(site.body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(site.body)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def finish_request(self, request, client_address):
        """The handshake is made here, in the connection's own thread."""
        with contextlib.suppress(OSError):
            with self.site.tls.wrap_socket(request, server_side=True) as s:
                self.RequestHandlerClass(s, client_address, self)


class Site:
    def __init__(self, host, port, cert, key):
        self.body, self.type, self.status, self.asked, self.posted = b"", "text/plain", 200, [], []
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.load_cert_chain(cert, key)
        self.server = Server((host, port), Handler)
        self.server.site = self
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
