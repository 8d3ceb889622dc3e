"""envctl: Cloud Composer environments as reviewable YAML."""

__version__ = "0.1.0"
