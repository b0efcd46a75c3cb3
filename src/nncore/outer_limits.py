"""threadpoolctl's limits, as scikit-learn and joblib set them, hold for nncore's threads too.

threadpoolctl knows a library by a controller that is registered with it. nncore does not import it (that takes longer than all
of nncore): the controller is registered at once where it is imported already, or else as soon as somebody imports it.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from . import _kernels

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_NAME = "threadpoolctl"


def register(threadpoolctl: Any) -> None:
    """Make this module's `threadpool_limits` and `threadpool_info` know nncore, as user_api "nncore".

    Releases before 3.2, which take no controllers of others, are left as they are.
    """
    if not hasattr(threadpoolctl, "register"):
        return

    class Controller(threadpoolctl.LibController):  # type: ignore[misc]
        """nncore's pool of threads."""

        user_api = internal_api = "nncore"
        filename_prefixes = (os.path.basename(_kernels.__file__).lower(),)  # of the libraries in this process
        check_symbols = ("PyInit__kernels",)

        def get_num_threads(self) -> int:
            return _kernels.threads()

        def set_num_threads(self, num_threads: int) -> None:
            _kernels.set_threads(num_threads)

        def get_version(self) -> str:
            return str(sys.modules[__package__].__version__)

    threadpoolctl.register(Controller)


class _Awaited:
    """Stands first in sys.meta_path until threadpoolctl has been imported, and finds nothing else."""

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != _NAME:
            return None
        others = [finder.find_spec for finder in sys.meta_path if finder is not cls and hasattr(finder, "find_spec")]
        spec = next((found for find_spec in others if (found := find_spec(name, path, target))), None)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                run(module)
                if module.__name__ == _NAME and cls in sys.meta_path:  # a loader may serve others, too
                    sys.meta_path.remove(cls)
                    register(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


def follow() -> None:
    """Register with threadpoolctl, now or when it is imported."""
    if _NAME in sys.modules:
        register(sys.modules[_NAME])
    else:
        sys.meta_path.insert(0, _Awaited)
