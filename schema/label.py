"""Labels of objects and of series: a key and a value."""

import strawberry


@strawberry.type(description="A label: a key and its value, on a Kubernetes object or on a Prometheus series.")
class Label:
    key: str = strawberry.field(description="The key, such as `app.kubernetes.io/name`.")
    value: str = strawberry.field(description="The value; may be empty.")
