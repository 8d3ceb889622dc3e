"""The engine for production: the Pulumi CLI, through Pulumi's own Automation API."""
