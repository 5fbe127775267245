"""A store from three primitives on bytes; versions, history, gradients and releases are inherited."""

import threading
from collections.abc import Mapping, Sequence

import paragrad as pg
from paragrad.testing.stores import check_store


@pg.stores.register("dict")
class DictStore(pg.stores.KeyValueStore):
    """Bytes in a dict: the smallest store that keeps every promise but durability."""

    durable = False

    def __init__(self, url: str = "dict:") -> None:
        self.guard = threading.Lock()
        self.table: dict[str, tuple[bytes, int]] = {}  # value and token

    def read(self, keys: Sequence[str]) -> dict[str, tuple[bytes, int]]:
        with self.guard:
            return {key: self.table[key] for key in keys if key in self.table}

    def write(self, values: Mapping[str, bytes], expect: Mapping[str, int]) -> None:
        with self.guard:
            for key, token in expect.items():
                if self.table.get(key, (b"", 0))[1] != token:
                    raise pg.stores.Conflict(f"{key!r} was written by another")
            for key, value in values.items():
                self.table[key] = (value, self.table.get(key, (b"", 0))[1] + 1)

    def keys(self, prefix: str) -> list[str]:
        with self.guard:
            return [key for key in self.table if key.startswith(prefix)]


if __name__ == "__main__":
    passed = check_store(lambda: pg.stores.open("dict:"))
    print("every law holds:", len(passed) > 20)
