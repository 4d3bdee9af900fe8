"""Templates that would take all time or memory: each operation is bounded before it is done."""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import pytest

from ovapi.errors import ApiError
from ovapi.language.chat_template import ChatTemplate
from ovapi.language.template.budget import RenderBudget, RenderLimit
from ovapi.language.template.compiled import CompiledTemplate
from ovapi.language.template.methods import is_allowed
from tests.support.driver import chat

SECONDS = 1.0
GIB = 2**30
BIG = "{% set x = 'a' * 9000000 %}"
NESTED = "{% set ns = namespace(a=[1], b=[1]) %}" + (
    "{% for i in range(64) %}{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}"
)
TUPLES = (
    "{% set ns = namespace(a=(1,)) %}"
    "{% for i in range(64) %}{% set ns.a = (ns.a, ns.a) %}{% endfor %}"
)

ENDLESS = [
    "{% for a in range(99999) %}" * 3 + "{{ x }}" + "{% endfor %}" * 3,
    "{% macro f(n) %}{% if n %}{{ f(n - 1) ~ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
    "{% set _deadline = 1e99 %}" + "{% for a in range(99999) %}" * 3 + "{% endfor %}" * 3,
    "{% for a in [1] recursive %}{{ loop(range(99999)) if loop.depth < 4 }}{% endfor %}",
    "{% for a in range(99999) if range(99999) | list | length < 0 %}{% endfor %}",
    "{{ ([range(99999)] * 99999) | map('list') | map('length') | sum }}",
    "{{ ('a' * 9000000) " + "| select " * 99 + "| list | length }}",
    BIG + "{{ x[:900000] | map(attribute=x, default='') | list | length }}",
    "{{ range(99999) | map('string') " + "| map('upper') " * 99 + "| list | length }}",
]

LARGE = [
    "{{ 'a'.ljust(9999999999) }}",
    "{{ 'a'.rjust(9999999999) }}",
    "{{ 'a'.center(9999999999) }}",
    "{{ 'a'.zfill(9999999999) }}",
    "{% set f = 'a'.zfill %}{{ f(9999999999) }}",
    "{{ ('a' | attr('zfill'))(9999999999) }}",
    "{{ 'a'['zfill'](9999999999) }}",
    "{{ ('\t' * 9999).expandtabs(9999999) }}",
    "{{ ('\t' * 9999).expandtabs(tabsize=9999999) }}",
    "{{ '%9999999999d' % 1 }}",
    "{{ '%.9999999999f' % 1 }}",
    "{{ '%*d' % (9999999999, 1) }}",
    "{{ '%(a)9999999999d' % {'a': 1} }}",
    "{{ '%(a(b)c)9999999999d' % {'a(b)c': 1} }}",
    "{{ '%9999999999d' | format(1) }}",
    "{{ '{:>9999999999}'.format(1) }}",
    "{{ '{:>{}}'.format(1, 9999999999) }}",
    BIG + "{{ ('%s' * 9999) % ((x,) * 9999) }}",
    BIG + "{{ ('%(x)s' * 9999) % {'x': x} }}",
    BIG + "{{ ('{0}' * 9999).format(x) }}",
    BIG + "{{ ([x] * 9999) | join }}",
    BIG + "{{ ''.join([x] * 9999) }}",
    BIG + "{{ x.join(['b'] * 9999) }}",
    BIG + "{{ (['b'] * 9999) | join(x) }}",
    BIG + "{{ x.replace('a', x) }}",
    BIG + "{{ x | replace('', x) }}",
    BIG + "{{ x.split('a') }}",
    BIG + "{{ x.rsplit('a') }}",
    BIG + "{{ ('a ' * 4000000).split() }}",
    BIG + "{{ ('\n' * 4000000).splitlines() }}",
    BIG + "{{ x | list }}",
    BIG + "{{ x ~ x ~ x ~ x }}",
    BIG + "{{ x + x + x + x }}",
    BIG + "{{ [x, x, x] | tojson }}",
    BIG + "{{ [x, x, x] }}",
    BIG + "{% set y %}{% for i in range(9999) %}{{ x }}{% endfor %}{% endset %}",
    BIG + "{% macro f() %}{{ x }}{{ x }}{{ x }}{% endmacro %}{{ f() }}",
    BIG + "{% filter upper %}{% for i in range(9999) %}{{ x }}{% endfor %}{% endfilter %}",
    BIG + "{% block b %}{{ x }}{{ x }}{{ x }}{% endblock %}{{ self.b() }}",
    BIG + "{{ x | urlencode }}{{ x | urlencode }}",
    BIG + "{{ (x ~ '&' * 9) | e }}{{ x }}",
    "{{ ('a\n' * 99999) | indent(99999) }}",
    "{{ ('a\n' * 99999) | indent('b' * 99999) }}",
    "{{ [[1]] * 99 | tojson(indent=9999999) }}",
    "{{ ([[1]] * 9999) | tojson(indent='b' * 99999) }}",
    "{{ ([[1]] * 9999) | tojson(separators=('b' * 99999, ':')) }}",
    "{{ [1] | batch(9999999999, 0) | list }}",
    "{{ [1] | slice(9999999999) | list }}",
    "{{ 1.5 | round(9999999999, 'ceil') }}",
    "{{ 'a' | center(9999999999) }}",
    "{{ 9999999999 * [messages] }}",
    "{{ [1] * 9999999 }}",
    "{{ 'a' * 9999999999 }}",
    "{{ 9 ** 99999 }}",
    "{{ (2 ** 4000) ** 4000 }}",
    "{{ [2 ** 4000] * 999999 }}",
    "{{ ('[],' * 4999999) | from_json }}",
    "{% set ns = namespace(n=9) %}{% for i in range(64) %}{% set ns.n = ns.n * ns.n %}{% endfor %}",
    BIG + "{{ (x | int(0, 16)) * (x | int(0, 16)) }}{{ 'a' * 99999999 }}",
    NESTED + "{{ ns.a }}",
    NESTED + "{{ ns }}",
    NESTED + "{{ ns.a ~ '' }}",
    NESTED + "{{ ns.a | string }}",
    NESTED + "{{ ns.a | tojson }}",
    NESTED + "{{ '%s' % ns.a }}",
    NESTED + "{{ '{}'.format(ns.a) }}",
    NESTED + "{{ '{!r}'.format(ns.a) }}",
    NESTED + "{{ ns.a == ns.b }}",
    NESTED + "{{ 1 if ns.a is eq ns.b }}",
    NESTED + "{{ ns.a in [ns.b] }}",
    NESTED + "{{ ns.a in ([ns.b] | map('default')) }}",
    NESTED + "{{ [ns.b].index(ns.a) }}",
    NESTED + "{{ [ns.b].count(ns.a) }}",
    NESTED + "{{ [ns.a, ns.b] | sort }}",
    NESTED + "{{ [ns.a] | select('in', [ns.b]) | list }}",
    NESTED + "{% for i in [1, 2] %}{{ loop.changed(ns.a if i == 1 else ns.b) }}{% endfor %}",
    NESTED + "{{ raise_exception(ns.a) }}",
    TUPLES + "{{ {ns.a: 1} }}",
    TUPLES + "{{ {}[ns.a] }}",
    TUPLES + "{{ {}.get(ns.a) }}",
    TUPLES + "{{ [ns.a] | unique | list }}",
    TUPLES + "{{ dict([(ns.a, 1)]) }}",
    TUPLES + "{{ dict.fromkeys([ns.a]) }}",
    BIG + "{{ x.rfind('ab' + x) }}",
    BIG + "{{ x.rsplit('ab' + x[:4000000]) }}",
    BIG + "{{ x.strip('b' * 9999 + 'a') }}",
    BIG + "{{ x | trim('b' * 9999 + 'a') }}",
    TUPLES + "{{ [1] | select(ns.a) | list }}",
    TUPLES + "{{ [1] | map(ns.a) | list }}",
    BIG + "{{ x[:900000] | join('', x[:900000]) }}",
    BIG + "{{ ([1] * 99999) | join('', 'a.' * 99999) }}",
    BIG + "{{ x | sort | length }}",
    BIG + "{{ x[:900000] | sort(attribute='a.' * 999) }}",
    BIG + "{{ ([1] * 99999) | sum('a.' * 99999) }}",
    BIG + "{{ x | title }}",
    BIG + "{{ x[:900000] | map(attribute='a.' * 9999) | list }}",
    "{{ strftime_now('%Y' * 99999) }}",
]

HOARDING = [
    BIG + "{% set ns = namespace(l=[]) %}{% for i in range(9999) %}{% set ns.l = ns.l + [X] %}{% endfor %}".replace("X", piece)  # noqa: E501
    for piece in ("x[1:]", "x ~ i", "x + 'b'", "x.upper()", "x | upper", "'b' * 9000000",
                  "range(99999) | list", "[0] * 999999", "x.replace('a', 'b')", "'%s!' % x",
                  "[" + "0, " * 9999 + "]")
]  # fmt: skip


def rendered(source: str) -> str:
    variables = {"messages": [{"role": "user", "content": "Hi"}], "tools": None}
    return CompiledTemplate(source).render(variables, SECONDS)


@pytest.mark.parametrize("source", ENDLESS)
def test_what_never_ends_is_ended(source: str) -> None:
    started = time.thread_time()
    with pytest.raises(RenderLimit, match="time"):
        rendered(source)
    assert time.thread_time() - started < 3


@pytest.mark.parametrize("source", LARGE)
def test_what_is_too_large_is_not_begun(source: str) -> None:
    started = time.thread_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(RenderLimit):
        rendered(source)
    assert time.thread_time() - started < 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < GIB >> 10


@pytest.mark.parametrize("source", HOARDING)
def test_what_is_kept_counts_together(source: str) -> None:
    """In a process of its own: memory that was taken once may be there from the test before. Its
    `ru_maxrss` would begin with that of the process that started it."""
    code = (
        "import re, sys; from tests.language.test_template_limits import *\n"
        "try: rendered(sys.stdin.read())\n"
        "except RenderLimit as error: print(error)\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], input=source, capture_output=True, text=True, check=True
    )
    limit, peak = result.stdout.split()
    assert limit in ("time", "memory")
    assert int(peak) < GIB >> 10


def test_constants_are_not_evaluated_before_there_is_a_budget() -> None:
    for source in ("{{ 'a' | center(9999999999) }}", "{{ 'a' * 9999999999 }}"):
        CompiledTemplate(source)


def test_the_limit_counts_what_the_thread_computes() -> None:
    budget = RenderBudget(100, 100, seconds=0.08)
    time.sleep(0.1)
    budget.spend(10**6)
    end = time.thread_time() + 0.1
    while time.thread_time() < end:
        pass
    with pytest.raises(RenderLimit, match="time"):
        budget.spend(10**6)


def test_a_client_is_told_that_the_template_exceeds_its_limits(
    caplog: pytest.LogCaptureFixture,
) -> None:
    template = ChatTemplate("{{ messages[0].content * 9999999 }}", {})
    with pytest.raises(ApiError, match="exceeded its limits") as caught:
        template.render(template.variables(chat("Hi there")))
    assert caught.value.status == 500
    assert "limit of size" in caplog.text


def test_whatever_is_not_known_is_refused() -> None:
    """A method or filter of a later version of Python or Jinja has to be looked at first."""
    public = {name for name in dir(str) if not name.startswith("_")}
    refused = {name for name in public if not is_allowed("", name)}
    assert refused == {"encode", "format_map", "maketrans", "translate"}
    for value in (b"", 1, 1.5, 1j, range(1), iter([])):
        assert not any(is_allowed(value, name) for name in dir(value))


def test_texts_that_are_long_but_the_clients_own_are_rendered() -> None:
    content = "word " * 4_000_000
    template = ChatTemplate("{{ messages[0].content }}{{ messages | tojson | length }}", {})
    prompt = chat("Hi")
    variables = template.variables(prompt)
    variables["messages"][0]["content"] = content
    assert len(template.render(variables)) > len(content)


def test_numbers_in_a_text_are_no_widths() -> None:
    assert rendered("{{ '131072 tokens, 99999999 %s (%d%%)' % ('or', 5) }}").endswith("or (5%)")
