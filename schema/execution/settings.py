"""How answers are executed, what is kept of them, and how much one request may ask for."""

from pydantic import BaseModel, ConfigDict, Field


class ExecutionSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    compiled: bool = Field(
        default=True,
        description="Whether operations are planned once and answered from what did not change. With false every "
        "answer is executed by graphql-core: the same answers, at 20 times the cost; a way out, should they ever "
        "differ.",
    )
    cache_bytes: int = Field(
        default=134_217_728,
        ge=0,
        description="Most memory for encoded answers and parts of them, in bytes, over all operations and users; what "
        "was not used for the longest time leaves first. The pods of a cluster of 150,000 with five fields take 22 MB.",
    )
    min_resource_version_seconds: float = Field(
        default=3.0,
        ge=0,
        le=60,
        description="How long a request with `minResourceVersions` waits for what it must show; then it is answered "
        "with `RESOURCE_VERSION_NOT_REACHED`. A version that no change has takes up to 2.5 seconds to be sure of.",
    )


class LimitSettings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    document_bytes: int = Field(
        default=65_536, ge=1_024, le=16_777_216, description="Longest document (the `query` of a request), in bytes."
    )
    tokens: int = Field(
        default=4_000,
        ge=100,
        le=1_000_000,
        description="Most tokens (names, braces, values) of a document: what parsing it costs. "
        "GraphiQL's introspection query has 300.",
    )
    definitions: int = Field(default=100, ge=1, le=10_000, description="Most operations and fragments of a document.")
    depth: int = Field(
        default=15, ge=1, le=200, description="How deep fields may be nested in each other, fragments unfolded."
    )
    root_fields: int = Field(
        default=50, ge=1, le=100_000, description="Most fields at the root of an operation, fragments unfolded."
    )
    fields: int = Field(
        default=1_000, ge=1, le=1_000_000, description="Most fields of an operation, fragments unfolded."
    )
    selections: int = Field(
        default=3_000,
        ge=1,
        le=1_000_000,
        description="Most selections of an operation, fragments unfolded: fields, spreads and inline fragments, all of "
        "which must be walked.",
    )
    aliases: int = Field(
        default=100, ge=0, le=1_000_000, description="Most aliased fields of an operation, fragments unfolded."
    )
    directives: int = Field(default=100, ge=0, le=1_000_000, description="Most directives of a document.")
    directives_per_field: int = Field(
        default=5, ge=0, le=1_000, description="Most directives of one field, fragment, spread or operation."
    )
    validation_budget: int = Field(
        default=5_000,
        ge=100,
        le=500_000,
        description="Most comparisons that validation may spend on whether fields of one name can be merged; each "
        "takes some microseconds. Fields that are selected once cost next to nothing.",
    )
    introspection: bool = Field(
        default=True, description="Whether the schema can be asked for itself. GraphiQL and code generators do so."
    )
    introspection_depth: int = Field(
        default=20, ge=1, le=200, description="`depth`, inside `__schema` and `__type`. GraphiQL's query has 15."
    )
    introspection_fields: int = Field(
        default=500,
        ge=1,
        le=1_000_000,
        description="`fields`, of `__schema` and `__type` and inside them. GraphiQL's query has 229.",
    )
    calls: int = Field(
        default=50,
        ge=0,
        le=10_000,
        description="Most fields of an operation that cost a call of their own each, if they ask different things: "
        "`me.can` asks the API server, `prometheus` Prometheus.",
    )
    cost: int = Field(
        default=5_000_000,
        ge=1,
        description="Most values that an answer may come to, roughly counted: fields, multiplied by the lists they are "
        "in, each as long as the caller sees it. 150,000 pods with six fields and two metrics come to 2,700,000.",
    )
