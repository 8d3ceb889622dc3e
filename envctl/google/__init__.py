"""The one room that knows how Google's APIs speak: transport, identity, names, refusals, repetition, operations."""
