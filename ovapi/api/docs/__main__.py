"""``python -m ovapi.api.docs`` prints api_documentation.md."""

from ovapi.api.dialects import DIALECTS
from ovapi.api.docs.markdown import generate
from ovapi.validation.schemas import Schemas

if __name__ == "__main__":
    print(generate(DIALECTS, Schemas()), end="")
