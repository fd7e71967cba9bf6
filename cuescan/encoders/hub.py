"""Files that a name asks for, fetched once into the usual caches; offline, only what is there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cuescan.errors import UserError

_LOCAL = "fetch it once where there is a network, or give the path of a local folder"


def hub_file(model: str, names: tuple[str, ...]) -> Path:
    """The first of ``names`` that a model on the Hugging Face hub has; ``HF_HUB_OFFLINE=1`` looks into the cache only.

    Raises:
        UserError: none is there, or the hub cannot be reached.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import EntryNotFoundError, HFValidationError

    for name in names:
        try:
            return Path(hf_hub_download(model, name))
        except EntryNotFoundError as error:  # not cached and offline, or not in this model: another name may be
            reason: Exception = error
        except HFValidationError as error:
            raise UserError(f"hf-hub:{model}: not the name of a model; write hf-hub:ORG/MODEL") from error
        except Exception as error:  # whatever the transport raises: no network, no such model, no permission
            reason = error
            break
    raise UserError(
        f"hf-hub:{model}: {names[0]} could not be fetched{_offline() or f' ({type(reason).__name__})'}; {_LOCAL}"
    ) from reason


def tagged_weights(spec: str, settings: dict[str, Any]) -> Path:
    """The file of weights of an ``ARCHITECTURE/TAG``, fetched by open_clip.

    Raises:
        UserError: it is not cached and cannot be fetched.
    """
    from open_clip.pretrained import download_pretrained, has_hf_hub

    url = "" if settings.get("hf_hub") and has_hf_hub() else settings.get("url", "")
    cached = Path("~/.cache/clip").expanduser() / url.rpartition("/")[2]
    reason: Exception | None = None
    if not (url and _offline() and not cached.is_file()):  # open_clip fetches a URL whatever the environment says
        try:
            return Path(download_pretrained({key: value for key, value in settings.items() if key != "tag"}))
        except Exception as error:  # as above
            reason = error
    raise UserError(
        f"{spec}: its weights could not be fetched{_offline() or f' ({type(reason).__name__})'}; {_LOCAL}"
    ) from reason


def _offline() -> str:
    from huggingface_hub.constants import HF_HUB_OFFLINE

    return " (HF_HUB_OFFLINE is set, and they are not in the cache)" if HF_HUB_OFFLINE else ""
