"""How answers are executed, and what is kept of them."""

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
        "was not used for the longest time leaves first. The pods of a cluster of 150,000 with five fields take 30 MB.",
    )
