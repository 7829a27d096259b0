"""What the wire says of a pod template: the containers that a workload's pods will have."""

from msgspec import Struct, field

from schema.sources.kubernetes.objects import Label, Sharing


class Container(Struct, frozen=True, gc=False):
    name: str | None = None
    image: str | None = None


class TemplateSpec(Struct, frozen=True, gc=False):
    containers: list[Container] | None = None
    node_selector: dict[str, str] | None = field(name="nodeSelector", default=None)


class Template(Struct, frozen=True, gc=False):
    spec: TemplateSpec | None = None

    def container_names(self, sharing: Sharing) -> tuple[str, ...]:
        """CONTAINERS of `kubectl get -o wide`."""
        return tuple(sharing.strings[one.name or ""] for one in self._spec.containers or ())

    def images(self, sharing: Sharing) -> tuple[str, ...]:
        """IMAGES of `kubectl get -o wide`: one for each container, in their order."""
        return tuple(sharing.strings[one.image or ""] for one in self._spec.containers or ())

    def node_selector(self, sharing: Sharing) -> tuple[Label, ...]:
        return sharing.labels(self._spec.node_selector)

    @property
    def _spec(self) -> TemplateSpec:
        return self.spec or _UNSAID


_UNSAID = TemplateSpec()
