"""Forms of names that files and variables hold, as regular expressions; without pydantic, for rooms that start fast."""

NAME = r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"
PROJECT_ID = r"^[a-z][-a-z0-9]{4,28}[a-z0-9]$"
REGION = r"^[a-z]+-[a-z]+[0-9]+$"
ACCOUNT_NAME = r"^[a-z]([-a-z0-9]{4,28}[a-z0-9])$"
ACCOUNT_ADDRESS = r"^[^@\s]+@[^@\s]+\.gserviceaccount\.com$"
OWNER_ID = r"^[a-z][a-z0-9]{11}$"
VARIABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"
