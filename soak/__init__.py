"""The campaign: what the server must survive, case by case, on a real server process.

``make soak`` runs it and prints a table. Everything happens on loopback and is bounded in time.

case.py        what a case is, and the list of all
context.py     what a case has in hand: a server, a client, the reference answers
probe.py       a process of its own that asks for answers and for `/health` throughout each case
client/        requests, and how they are sent; the tests share it
footprint.py   memory, file descriptors and slots, before and after
campaign.py    runs cases and gathers their outcomes
table.py       the outcomes as Markdown
load.py, lifecycle.py, kills.py, models.py, mixed.py, parsing.py, framing.py, access.py, engine.py,
fuzz.py        the cases
"""
