"""A server in the test's own process, on a fake engine."""

from tests.support.api import api as api
from tests.support.api import io_loop as io_loop
from tests.support.api import keys as keys
from tests.support.api import limits as limits
