"""The operator API: what consoles and command lines ask of a daemon, under ``/operator/v1``."""

from headway_bridge.operator.app import operator_app

__all__ = ["operator_app"]
