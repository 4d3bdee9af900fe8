"""What the clients' libraries have to know before they are imported."""

import os

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it asks the Internet for prices
os.environ["LANGSMITH_TRACING"] = "false"
