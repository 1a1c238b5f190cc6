"""How many workers, how wide, and where: the part of gin that every job shares."""

from __future__ import annotations

import dataclasses

import gin

_ENGINES = ("local", "ray")


@gin.register("workers")
@dataclasses.dataclass(frozen=True)
class WorkersConfig:
    """How many worker processes, how wide, and where.

    Attributes:
      num_workers: processes; None for as many as the cores (of the cluster) have room for,
        0 for none (work is done in place).
      num_threads: TensorFlow threads of one worker. With one, results are bit-identical
        from run to run, and two workers of one thread beat one of two.
      engine: 'local' for processes of this machine, 'ray' for those of a Ray cluster.
      address: the Ray cluster's address, `host:port`; 'auto' finds the one that this machine
        is part of. None starts one of this machine alone, for as long as the job.
      num_gpus: GPUs that one worker takes, a fraction of one or a whole number. Ray alone
        shares them out: local workers all see every GPU.
    """

    num_workers: int | None = None
    num_threads: int = 1
    engine: str = "local"
    address: str | None = None
    num_gpus: float = 0.0

    def __post_init__(self):
        if self.engine not in _ENGINES:
            raise ValueError(
                f"Expected workers.engine 'local' or 'ray', found {self.engine!r}."
            )
        if self.engine == "local" and (self.address is not None or self.num_gpus):
            name = "num_gpus" if self.address is None else "address"
            raise ValueError(
                f"Expected workers.engine = 'ray' beside workers.{name} = "
                f"{getattr(self, name)!r}, found 'local'."
            )
        if self.num_gpus < 0 or (self.num_gpus > 1 and self.num_gpus % 1):
            raise ValueError(
                "Expected workers.num_gpus to be a fraction of one GPU or a whole number, "
                f"found {self.num_gpus!r}."
            )
        if self.num_workers is not None and self.num_workers < 0:
            raise ValueError(
                f"Expected workers.num_workers >= 0, found {self.num_workers!r}."
            )
        if self.num_threads < 1:
            raise ValueError(
                f"Expected workers.num_threads >= 1, found {self.num_threads!r}."
            )
