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
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

from tornado.ioloop import IOLoop

from ovapi import __version__, signals
from ovapi.app import Application
from ovapi.config.background import in_background
from ovapi.config.reload import Reload, merge
from ovapi.config.settings import Config, ModelConfig
from ovapi.config.values.host import shown
from ovapi.config.values.tls import server_context
from ovapi.config.yaml_document import ConfigError
from ovapi.engine.base import EngineState
from ovapi.http.connection.listening import listen_on_loopback, open_sockets
from ovapi.http.connection.server import LimitedHTTPServer
from ovapi.http.telemetry.tracing import Tracing
from ovapi.serving.event_stream import Bridge
from ovapi.serving.metrics.loop_lag import LoopLag
from ovapi.serving.model import Model
from ovapi.serving.model_manager import ModelManager
from ovapi.systemd.notify import Notifier
from ovapi.systemd.watchdog import SystemdWatchdog
from ovapi.validation.schemas import Schemas

log = logging.getLogger("ovapi.server")

READ_SECONDS = 30.0
"""How long a reload waits for the configuration: a network file system may be gone."""
KEPT = "reload failed, keeping the current configuration"


class Server:
    """One server process, from listening to its exit status."""

    def __init__(self, config: Config, load: Callable[[], Config]) -> None:
        """Must be called on the loop's thread, with the loop running. Opens the port.

        `load` reads the configuration anew; it may raise ConfigError. Raises OSError if the port
        is taken.
        """
        self.config = config
        self._sockets = open_sockets(config)
        self._loopback = listen_on_loopback(self._sockets)
        self._load = load
        self._reloads: set[asyncio.Task[None]] = set()
        self._reload_lock = asyncio.Lock()
        # For requests, and for the engines that run in this process.
        self.executor = ThreadPoolExecutor(2 * len(config.models) + 16, "ovapi")
        self.manager = ModelManager(config, self.executor, Bridge(IOLoop.current()).post)
        self.manager.on_change = self._model_changed
        self.manager.on_files_changed = self._retry
        registry = self.manager.registry
        tracing = Tracing(config.tracing) if config.tracing is not None else None
        schemas = Schemas()
        self.app = Application(config, registry, schemas, self.executor, tracing, self._loopback)
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
        context = server_context(limits.tls) if limits.tls else None
        return LimitedHTTPServer(self.app, limits, self.app.metrics.refused, context)

    async def run(self) -> None:
        """Serve until a signal, then drain and stop."""
        self._handle_signals()
        self.http.add_sockets(self._sockets)
        self.address = self._sockets[0].getsockname()
        self._lag.start()
        self._announce()
        self.manager.start()
        self.systemd.opened()
        await self._stop.wait()
        await self._drain()
        await self._shut_down()

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, self.reload)
        signals.release()

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
        """A file that cannot be used, or opens what was closed, changes nothing."""
        async with self._reload_lock:
            new = await self._read()
            if new is None or self._stop.is_set():
                return
            reload = merge(self.config, new, self.manager.failed)
            if reload.opened:
                _log_kept([*reload.opened, "or restart the server to apply the file"])
            else:
                self._take_over(reload)

    async def _read(self) -> Config | None:
        """The configuration as it is now; None, with an error in the log, if it cannot be used."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                return await in_background(self._load, "ovapi-reload")
        except ConfigError as error:
            _log_kept(str(error).splitlines())
        except TimeoutError:
            _log_kept([f"it could not be read within {READ_SECONDS:g} s"])
        except Exception:
            log.exception("%s", KEPT)
        return None

    def _take_over(self, reload: Reload) -> None:
        self.config = reload.config
        self.manager.take_over(self.config, self.app.metrics)
        self.app.configure(self.config)
        self.http.configure_limits(self.config.server)
        logging.getLogger().setLevel(self.config.logging.level)
        log.info("configuration reloaded; keys: %d", len(self.config.keys))
        self._warn_if_open()
        for path in reload.left:
            log.warning("%s changed: restart the server to apply it", path)

    def _retry(self, models: Collection[Model]) -> None:
        """The files of models that had failed are others now."""
        self.manager.take_over(self.config, self.app.metrics, models)

    def _announce(self) -> None:
        log.info("ovapi %s listening on %s", __version__, self._url)
        self._warn_if_open()
        log.info("overview and documentation: %s/", self._url)

    def _warn_if_open(self) -> None:
        if not self.config.keys and not self._loopback:
            log.warning(
                "no API keys configured: anyone who can reach %s can use this server", self._url
            )

    @property
    def _url(self) -> str:
        """Where it listens: of a socket of its own the configuration knows the host's name."""
        if self._sockets[0].family == socket.AF_UNIX:
            return f"unix:{self.address}"
        host, port = self.address[:2]
        host = host if self.config.systemd.sockets else self.config.server.host
        return f"{'https' if self.config.server.tls else 'http'}://{shown(host)}:{port}"

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
        # the loop ends, and its handlers with it: SIGHUP must still not kill
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        log.info("stopped")


def _log_kept(reasons: Iterable[str]) -> None:
    log.error("%s: %s", KEPT, "; ".join(reasons))
