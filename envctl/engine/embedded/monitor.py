"""What the Pulumi SDK takes for its engine: a resource monitor and an engine service, as plain objects.

Importing this module imports the SDK (0.55 s): only runs of a program do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import engine_pb2, resource_pb2

from envctl.engine.embedded.executor import StepFailedError
from envctl.engine.embedded.goal import Goal
from envctl.engine.embedded.registrar import Registered, Registrar
from envctl.engine.embedded.registration import UnsupportedError, read_goal
from envctl.engine.embedded.run import Run, StoppedError
from envctl.engine.embedded.wire import WireError, read_struct, write_struct
from envctl.engine.urns import UNKNOWN_ID

_FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_RESOURCE_REFERENCES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_OUTPUT_VALUES,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
    resource_pb2.RESOURCE_MONITOR_FEATURE_REPLACEMENT_TRIGGER,
)
_SEVERITIES = {
    engine_pb2.DEBUG: "debug",
    engine_pb2.INFO: "info",
    engine_pb2.WARNING: "warning",
    engine_pb2.ERROR: "error",
}


class MonitorError(grpc.RpcError):
    """An answer of the monitor that is no answer, in the shape that the SDK expects of gRPC."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self._code = code
        self._details = details

    def code(self) -> grpc.StatusCode:
        """The status: UNAVAILABLE ends the program."""
        return self._code

    def details(self) -> str:
        """What the program's error says."""
        return self._details


def _ended() -> MonitorError:
    return MonitorError(grpc.StatusCode.UNAVAILABLE, "the run is ending")


class Monitor:
    """Answers the SDK. Method names are those of the gRPC service `pulumirpc.ResourceMonitor`."""

    def __init__(self, run: Run, registrar: Registrar) -> None:
        self._run = run
        self._registrar = registrar

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802
        """Registers a resource and answers when it has reached its goal."""
        return self._answer(lambda: self._register(request), request)

    def _register(self, request: Any) -> Any:
        registered = self._registrar.register(read_goal(request))
        row = registered.row
        if row is None:
            return resource_pb2.RegisterResourceResponse(urn=registered.urn, result=resource_pb2.FAIL)
        return resource_pb2.RegisterResourceResponse(
            urn=registered.urn, id=row.id or "", object=write_struct(row.outputs) if row.custom else None
        )

    def ReadResource(self, request: Any) -> Any:  # noqa: N802
        """Looks at an existing resource by its id."""
        return self._answer(lambda: self._read(request), request)

    def _read(self, request: Any) -> Any:
        if request.packageRef or request.pluginDownloadURL:
            raise UnsupportedError("package references are not supported by the embedded engine")
        goal = Goal(
            type=request.type,
            name=request.name,
            custom=True,
            parent=request.parent,
            provider=request.provider,
            version=request.version,
            dependencies=tuple(sorted(request.dependencies)),
            additional_secret_outputs=tuple(request.additionalSecretOutputs),
        )
        registered = self._registrar.read(goal, request.id or UNKNOWN_ID, read_struct(request.properties))
        row = registered.row
        if row is None:
            return resource_pb2.ReadResourceResponse(urn=registered.urn, result=resource_pb2.FAIL)
        return resource_pb2.ReadResourceResponse(
            urn=registered.urn, id=row.id or "", properties=write_struct(row.outputs)
        )

    def RegisterResourceOutputs(self, request: Any) -> Empty:  # noqa: N802
        """Takes the outputs of a component or of the stack."""
        return self._answer(lambda: self._finish(request), None)

    def _finish(self, request: Any) -> Empty:
        self._registrar.finish(request.urn, read_struct(request.outputs))
        return Empty()

    def GetDeploymentInfo(self, request: object) -> Any:  # noqa: ARG002, N802
        """Who and what is run, and what this monitor can do."""
        run = self._run
        return resource_pb2.DeploymentInfo(
            project=run.stack.project,
            stack=run.stack.stack,
            organization="organization",
            dryRun=run.preview,
            parallel=run.options.parallel,
            supportedFeatures=_FEATURES,
        )

    def SignalAndWaitForShutdown(self, request: object) -> Empty:  # noqa: ARG002, N802
        """The program has ended; nothing keeps it."""
        return Empty()

    def Invoke(self, request: Any) -> NoReturn:  # noqa: N802
        """Functions of providers are not there."""
        self._unsupported(f"the function `{request.tok}`")

    def Call(self, request: Any) -> NoReturn:  # noqa: N802
        """Methods of resources are not there."""
        self._unsupported(f"the method `{request.tok}`")

    def ExistsResource(self, request: Any) -> NoReturn:  # noqa: N802
        """Questions after resources are not there."""
        self._unsupported(f"asking whether a {request.type} exists")

    def RegisterPackage(self, request: Any) -> NoReturn:  # noqa: N802
        """Parameterized packages are not there."""
        self._unsupported(f"the parameterized package `{request.name}`")

    def RegisterStackTransform(self, request: object) -> NoReturn:  # noqa: ARG002, N802
        """Transforms are not there."""
        self._unsupported("transforms of the stack")

    def RegisterStackInvokeTransform(self, request: object) -> NoReturn:  # noqa: ARG002, N802
        """Transforms are not there."""
        self._unsupported("transforms of functions")

    def RegisterResourceHook(self, request: object) -> NoReturn:  # noqa: ARG002, N802
        """Hooks are not there."""
        self._unsupported("resource hooks")

    def RegisterErrorHook(self, request: object) -> NoReturn:  # noqa: ARG002, N802
        """Hooks are not there."""
        self._unsupported("error hooks")

    def _unsupported(self, what: str) -> NoReturn:
        message = f"{what} is not supported by the embedded engine; `--engine pulumi` has it"
        self._run.say("", "error", message)
        raise MonitorError(grpc.StatusCode.UNIMPLEMENTED, message)

    def _answer(self, call: Callable[[], Any], request: Any) -> Any:
        """The answer; whatever ends the run reaches the program as the end of its monitor."""
        try:
            return call()
        except (StoppedError, StepFailedError):
            raise _ended() from None
        except (UnsupportedError, WireError) as error:
            try:
                refused: Registered = self._registrar.refuse(request.type, request.name, request.parent, str(error))
            except StepFailedError:
                raise _ended() from None
            return resource_pb2.RegisterResourceResponse(urn=refused.urn, result=resource_pb2.FAIL)
        except BaseException as error:
            self._run.mark_fatal(error)
            raise _ended() from error


class EngineService:
    """The SDK's way to say something. Method names are those of the gRPC service `pulumirpc.Engine`."""

    def __init__(self, run: Run) -> None:
        self._run = run

    def Log(self, request: Any) -> Empty:  # noqa: N802
        """Hands on a message of the program; debugging chatter of the SDK itself is dropped."""
        severity = _SEVERITIES.get(request.severity, "info")
        if severity != "debug" and not request.ephemeral:
            self._run.say(request.urn, severity, request.message)
        return Empty()

    def RequirePulumiVersion(self, request: Any) -> Any:  # noqa: N802
        """Refuses: the embedded engine is no release of Pulumi, so no range of releases holds for it."""
        wanted = re.sub(r"\s+", " ", request.pulumi_version_range)
        raise MonitorError(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"the program requires Pulumi {wanted}, which the embedded engine cannot promise; use `--engine pulumi`",
        )
