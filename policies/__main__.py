"""The rules of envctl as a CrossGuard pack: `pulumi preview --policy-pack policies`.

Runs where envctl is installed. Levels are those for production; a project that wants others sets them in Pulumi's
own policy configuration, or under `policies.levels` of `envctl.yaml` for envctl's own previews.
"""

from pulumi_policy import PolicyPack

from envctl.policies.catalogue import SHIPPED

PolicyPack(name="envctl", policies=[rule.as_policy() for rule in SHIPPED])
