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
from contextlib import suppress

from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import bind_sockets

from ovapi import __version__, logs
from ovapi.app import Application
from ovapi.config import FIRST_SOCKET, Config, ModelConfig, TlsConfig
from ovapi.engine.base import AdapterSpec, EngineSpec, EngineState, make_engine
from ovapi.loop_lag import LoopLag
from ovapi.models import Model, ModelRegistry
from ovapi.notify import Notifier
from ovapi.origin import is_loopback
from ovapi.reload import merge
from ovapi.schema import Schemas
from ovapi.service import Service
from ovapi.stream import Bridge
from ovapi.yaml_document import ConfigError

log = logging.getLogger("ovapi.server")


class Server:
    """One server process, from listening to its exit status."""

    def __init__(self, config: Config, load: Callable[[], Config]) -> None:
        """Must be called on the loop's thread, with the loop running.

        `load` reads the configuration anew; it may raise ConfigError.
        """
        self.config = config
        self._load = load
        self._reloading: asyncio.Task[None] | None = None
        self._retiring: dict[Model, asyncio.Task[None]] = {}
        # An engine keeps a thread or two; the rest is for requests, and for engines to come.
        self.executor = ThreadPoolExecutor(2 * len(config.models) + 16, "ovapi")
        self._post = Bridge(IOLoop.current()).post
        models = [self._model(entry) for entry in config.models]
        self.registry = ModelRegistry(models, config.default_model)
        self.app = Application(config, self.registry, Schemas(), self.executor)
        self._lag = LoopLag(self.app.metrics.loop_lag)
        watchdog = config.service.watchdog_seconds
        self.service = Service(Notifier(config.service.notify), self.registry, watchdog)
        self.http = self._http_server()
        self._stop = asyncio.Event()
        # Nothing more to wait for: no request is in hand, or a second signal has come.
        self._over = asyncio.Event()

    def _model(self, entry: ModelConfig) -> Model:
        engine = make_engine(entry.engine, self._spec(entry), self.executor, self._post)
        engine.on_state = lambda state: self._engine_state(entry, state)
        return Model(entry, engine)

    def _engine_state(self, entry: ModelConfig, state: EngineState) -> None:
        log_state(entry, state)
        self.app.metrics.engine_state(entry.name, state)
        self.service.changed()

    def _spec(self, entry: ModelConfig) -> EngineSpec:
        adapter = entry.adapter
        return EngineSpec(
            name=entry.name,
            path=entry.path,
            device=entry.device,
            context=entry.context,
            cache_bytes=entry.cache_bytes,
            compile_cache=self.config.compile_cache,
            properties=entry.properties,
            adapter=AdapterSpec(adapter.path, adapter.alpha) if adapter else None,
            max_running=entry.max_running,
            max_batched_tokens=entry.max_batched_tokens,
            stall_seconds=entry.stall_seconds,
            load_seconds=entry.load_seconds,
            log_level=self.config.logging.level,
            log_format=logs.choose(self.config.logging.format),
        )

    def _http_server(self) -> HTTPServer:
        limits = self.config.server
        return HTTPServer(
            self.app,
            max_header_size=limits.max_header_bytes,
            max_body_size=limits.max_body_bytes,
            idle_connection_timeout=limits.idle_timeout,
            body_timeout=limits.body_timeout,
            ssl_options=_ssl_context(limits.tls) if limits.tls else None,
        )

    async def run(self) -> None:
        """Serve until a signal, then drain and stop. Raises OSError if the port is taken."""
        sockets = self._sockets()
        self.http.add_sockets(sockets)
        self.address = sockets[0].getsockname()
        self._handle_signals()
        self._lag.start()
        self._announce()
        self.service.opened()
        for model in self.registry:
            model.engine.start()
        await self._stop.wait()
        await self._drain()
        await self._shut_down()

    def _sockets(self) -> list[socket.socket]:
        """Those that systemd has opened for us, or our own."""
        passed = self.config.service.sockets
        if not passed:
            return bind_sockets(self.config.server.port, self.config.server.host)
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
        """Take over what is new in the configuration, unless that is happening already."""
        if self._reloading is None or self._reloading.done():
            self._reloading = asyncio.create_task(self._reload())

    async def _reload(self) -> None:
        """A file that cannot be used changes nothing."""
        try:
            new = await asyncio.get_running_loop().run_in_executor(self.executor, self._load)
        except ConfigError as error:
            problems = "; ".join(str(error).splitlines())
            log.error("the configuration stays as it is, for the file cannot be used: %s", problems)
            return
        reload = merge(self.config, new)
        self.config = reload.config
        self._hold_models()
        self.app.configure(self.config)
        logging.getLogger().setLevel(self.config.logging.level)
        log.info("the configuration has been read again: %d keys", len(self.config.keys))
        for path in reload.left:
            log.warning("%s has changed, which takes a restart", path)

    def _hold_models(self) -> None:
        """Have the models of the configuration: those that are new load, others retire."""
        gone = {model.name: model for model in self.registry}
        added = [self._model(entry) for entry in self.config.models if entry.name not in gone]
        known = {**gone, **{model.name: model for model in added}}
        for entry in self.config.models:
            known[entry.name].config = entry
            gone.pop(entry.name, None)
        models = [known[entry.name] for entry in self.config.models]
        self.registry.hold(models, self.config.default_model)
        for model in added:
            log.info("model %s: loading on %s", model.name, model.config.device)
            self.app.metrics.watch(model)
            model.engine.start()
        for model in gone.values():
            self._retiring[model] = asyncio.create_task(self._retire(model))

    async def _retire(self, model: Model) -> None:
        """End a model that nobody can ask for any more, once its requests have ended."""
        log.info("model %s: to be removed after its %d requests", model.name, model.in_hand)
        with suppress(TimeoutError):
            await asyncio.wait_for(model.idle(), self.config.server.drain_seconds)
        await model.engine.close()
        self.app.metrics.forget(model)
        del self._retiring[model]

    def _announce(self) -> None:
        host, port = self._host_and_port()
        shown = f"[{host}]" if ":" in host else host
        url = f"{'https' if self.config.server.tls else 'http'}://{shown}:{port}"
        log.info("ovapi %s listening on %s", __version__, url)
        if not self.config.keys and not is_loopback(host):
            log.warning("ANYBODY WHO REACHES %s CAN USE THIS SERVER: no keys are configured", url)
        for model in self.registry:
            log.info("model %s: loading on %s", model.name, model.config.device)
        if not list(self.registry):
            log.warning("there is no model to serve: put one into the models folder")
        log.info("what is here and how to use it: %s/", url)

    def _host_and_port(self) -> tuple[str, int]:
        """Where it listens: of a socket of its own the configuration knows the host's name."""
        host, port = self.address[:2]
        return (host if self.config.service.sockets else self.config.server.host), port

    async def _drain(self) -> None:
        self.app.drain(on_idle=self._over.set)
        self.service.stopping(self.app.active)
        if self.config.service.sockets:
            self.http.stop()  # systemd holds the port: who connects now waits for our successor
        seconds = self.config.server.drain_seconds
        log.info("stopping: %d requests in flight, up to %g s", self.app.active, seconds)
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            log.warning("%d requests did not end in time and are given up", self.app.active)

    async def _shut_down(self) -> None:
        self._lag.stop()
        self.http.stop()
        for task in self._retiring.values():
            task.cancel()
        engines = [model.engine for model in (*self.registry, *self._retiring)]
        await asyncio.gather(*(engine.close() for engine in engines))
        await self.http.close_all_connections()
        self.executor.shutdown(wait=False, cancel_futures=True)
        self.service.close()
        log.info("stopped")


def _ssl_context(tls: TlsConfig) -> ssl.SSLContext:
    """Raises OSError (ssl.SSLError is one) for files that cannot be used."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def log_state(entry: ModelConfig, state: EngineState) -> None:
    """One line for each change of an engine's state."""
    if state.status == "failed":
        log.error("model %s: not available: %s", entry.name, state.detail)
    elif state.status == "ready" and state.info is not None:
        info = state.info
        cache = f"{info.cache_bytes / 2**20:.0f} MiB" if info.cache_bytes else "unbounded"
        log.info(
            "model %s: ready on %s, context %d tokens, KV cache %s",
            entry.name, info.device, info.context, cache,
        )  # fmt: skip
    else:
        log.info("model %s: %s %s", entry.name, state.status, state.detail)
