"""The server starter that tests share with the campaign and the benchmarks."""

from bench.server_process import DEMO, PIRATE, ROOT, ServerProcess

__all__ = ["DEMO", "PIRATE", "ROOT", "ServerProcess"]
