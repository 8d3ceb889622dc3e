"""envctl's control plane emulator: Google's APIs as far as envctl, Pulumi and Google's clients use them.

`cloud.Cloud` is the emulator without a transport, `server.serve` puts it behind HTTP ports.
"""
