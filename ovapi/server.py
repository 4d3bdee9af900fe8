"""The server's life: configure, listen, load, serve, drain, stop.

start      the port opens at once, or systemd has opened it before; engines load meanwhile and
           answer 503 until ready
SIGHUP     the configuration is read again; what can change while running does
SIGTERM    new requests get 503, those in flight have `drain_seconds` to end
second     everything in flight is given up at once
stop       engines are closed, their processes gone; exit status 0
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets

from ovapi import __version__
from ovapi.app import Application
from ovapi.config.reload import merge
from ovapi.config.settings import FIRST_SOCKET, Config, ModelConfig, TlsConfig
from ovapi.config.yaml_document import ConfigError
from ovapi.engine.base import EngineState
from ovapi.http.origin import is_loopback
from ovapi.http.server import LimitedHTTPServer
from ovapi.http.telemetry.tracing import Tracing
from ovapi.serving.event_stream import Bridge
from ovapi.serving.metrics.loop_lag import LoopLag
from ovapi.serving.model_manager import ModelManager
from ovapi.systemd.notify import Notifier
from ovapi.systemd.watchdog import SystemdWatchdog
from ovapi.validation.schemas import Schemas

log = logging.getLogger("ovapi.server")


BACKLOG = 1024
"""Connections that wait to be accepted; more of them at once would have to try again a second
later."""


class Server:
    """One server process, from listening to its exit status."""

    def __init__(self, config: Config, load: Callable[[], Config]) -> None:
        """Must be called on the loop's thread, with the loop running.

        `load` reads the configuration anew; it may raise ConfigError.
        """
        self.config = config
        self._load = load
        self._reloads: set[asyncio.Task[None]] = set()
        self._reload_lock = asyncio.Lock()
        # For requests, and for the engines that run in this process.
        self.executor = ThreadPoolExecutor(2 * len(config.models) + 16, "ovapi")
        self.manager = ModelManager(config, self.executor, Bridge(IOLoop.current()).post)
        self.manager.on_change = self._model_changed
        registry = self.manager.registry
        tracing = Tracing(config.tracing) if config.tracing is not None else None
        self.app = Application(config, registry, Schemas(), self.executor, tracing)
        self._lag = LoopLag(self.app.metrics.loop_lag)
        watchdog = config.systemd.watchdog_seconds
        self.systemd = SystemdWatchdog(Notifier(config.systemd.notify), registry, watchdog)
        self.http = self._http_server()
        self._stop = asyncio.Event()
        # Nothing more to wait for: no request is in hand, or a second signal has come.
        self._over = asyncio.Event()

    def _model_changed(self, entry: ModelConfig, state: EngineState) -> None:
        self.app.metrics.engine_state(entry.name, state)
        self.systemd.changed()

    def _http_server(self) -> LimitedHTTPServer:
        limits = self.config.server
        context = _ssl_context(limits.tls) if limits.tls else None
        return LimitedHTTPServer(self.app, limits, self.app.metrics.refused, context)

    async def run(self) -> None:
        """Serve until a signal, then drain and stop. Raises OSError if the port is taken."""
        sockets = self._sockets()
        self.http.add_sockets(sockets)
        self.address = sockets[0].getsockname()
        self._handle_signals()
        self._lag.start()
        self._announce()
        self.manager.start()
        self.systemd.opened()
        await self._stop.wait()
        await self._drain()
        await self._shut_down()

    def _sockets(self) -> list[socket.socket]:
        """Those that systemd has opened for us, or our own."""
        passed = self.config.systemd.sockets
        if not passed:
            server = self.config.server
            return bind_sockets(server.port, server.host, backlog=BACKLOG)
        sockets = [socket.socket(fileno=FIRST_SOCKET + number) for number in range(passed)]
        for one in sockets:
            one.setblocking(False)
            one.set_inheritable(False)
        return sockets

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)

    def stop(self) -> None:
        """Begin to drain; called again, give up what is in flight."""
        if self._stop.is_set():
            self._over.set()
        self._stop.set()

    def reload(self) -> None:
        """Take over what is new in the configuration, after what is being taken over."""
        task = asyncio.create_task(self._reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _reload(self) -> None:
        """A file that cannot be used changes nothing."""
        async with self._reload_lock:
            try:
                new = await asyncio.get_running_loop().run_in_executor(self.executor, self._load)
            except ConfigError as error:
                found = "; ".join(str(error).splitlines())
                log.error("reload failed, keeping the current configuration: %s", found)
                return
            if not self._stop.is_set():
                self._take_over(new)

    def _take_over(self, new: Config) -> None:
        reload = merge(self.config, new)
        self.config = reload.config
        self.manager.take_over(self.config, self.app.metrics)
        self.app.configure(self.config)
        self.http.configure_limits(self.config.server)
        logging.getLogger().setLevel(self.config.logging.level)
        log.info("configuration reloaded; keys: %d", len(self.config.keys))
        for path in reload.left:
            log.warning("%s changed: restart the server to apply it", path)

    def _announce(self) -> None:
        host, port = self._host_and_port()
        shown = f"[{host}]" if ":" in host else host
        url = f"{'https' if self.config.server.tls else 'http'}://{shown}:{port}"
        log.info("ovapi %s listening on %s", __version__, url)
        if not self.config.keys and not is_loopback(host):
            log.warning("no API keys configured: anyone who can reach %s can use this server", url)
        log.info("overview and documentation: %s/", url)

    def _host_and_port(self) -> tuple[str, int]:
        """Where it listens: of a socket of its own the configuration knows the host's name."""
        host, port = self.address[:2]
        return (host if self.config.systemd.sockets else self.config.server.host), port

    async def _drain(self) -> None:
        self.app.drain(on_idle=self._over.set)
        self.systemd.stopping(self.app.active)
        if self.config.systemd.sockets:
            self.http.stop()  # systemd holds the port: who connects now waits for our successor
        seconds = self.config.server.drain_seconds
        log.info("stopping: %d requests in flight, waiting up to %g s", self.app.active, seconds)
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            log.warning("%d requests did not finish in time, aborting them", self.app.active)

    async def _shut_down(self) -> None:
        self._lag.stop()
        self.http.stop()
        await self.manager.close()
        await self.http.close_all_connections()
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.systemd.close()
        if self.app.tracing is not None:
            await self.app.tracing.close()
        log.info("stopped")


def _ssl_context(tls: TlsConfig) -> ssl.SSLContext:
    """Raises OSError (ssl.SSLError is one) for files that cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.certificate, tls.key)
    return context
