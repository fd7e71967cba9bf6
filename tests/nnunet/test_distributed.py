"""Two processes train one network; nnU-Net does this on GPUs only, so what binds it to them is replaced here."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from in_process import make_trainer
from torch.nn.parallel import DistributedDataParallel


def one_of_two(rank: int, port: int, folder: str, options: dict) -> None:
    os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", rank=rank, world_size=2)
    from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as module

    module.DDP = lambda network, device_ids: DistributedDataParallel(network)
    torch.nn.SyncBatchNorm.convert_sync_batchnorm = lambda network: network
    trainer = make_trainer(**options)
    trainer.device, trainer.grad_scaler = torch.device("cpu"), None
    keys = []
    step = trainer.train_step

    def recorded(batch):
        keys.append(batch["keys"])
        return step(batch)

    trainer.train_step = recorded
    trainer.run_training()
    weights = {key: value.sum().item() for key, value in trainer.network.module.named_parameters()}
    (Path(folder) / f"{rank}.json").write_text(json.dumps([keys, weights, trainer.log["mean_fg_dice"]]))
    dist.destroy_process_group()


def test_two_processes_share_batches_weights_and_scores(active, tmp_path, monkeypatch):
    from nnunetv2.run.run_training import find_free_network_port

    monkeypatch.setenv("CUESCAN_EPOCHS", "2")
    monkeypatch.setenv("CUESCAN_BATCH_SIZE", "5")
    mp.spawn(one_of_two, (find_free_network_port(), str(tmp_path), {}), nprocs=2)
    (keys, weights, scores), (others, other_weights, other_scores) = (
        json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)
    )
    assert weights == other_weights and scores == other_scores and len(scores) == 2
    for epoch in range(2):
        seen = [case for part in (keys, others) for batch in part[2 * epoch : 2 * epoch + 2] for case in batch]
        assert len(seen) == len(set(seen)) == 8
    assert {len(batch) for batch in keys + others} == {2}


@pytest.mark.parametrize("losses", ["{}", '{"alignment": 0, "words": 0}'])
def test_two_processes_train_from_sentences(sentences, tmp_path, monkeypatch, losses):
    from nnunetv2.run.run_training import find_free_network_port

    monkeypatch.setenv("CUESCAN_LOSS_ARGUMENTS", losses)
    options = {"number": 5, "trainer_name": "TIFCMambaTrainer"}
    mp.spawn(one_of_two, (find_free_network_port(), str(tmp_path), options), nprocs=2)
    (keys, weights, scores), (others, other_weights, other_scores) = (
        json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)
    )
    assert weights == other_weights and scores == other_scores and len(scores) == 1
    seen = [case for batch in keys + others for case in batch]
    assert len(seen) == len(set(seen)) == 8


def test_every_process_needs_an_image(active, monkeypatch):
    monkeypatch.setenv("CUESCAN_BATCH_SIZE", "1")
    trainer = make_trainer()
    trainer.is_ddp = True
    monkeypatch.setattr(dist, "get_world_size", lambda: 2)
    monkeypatch.setattr(dist, "get_rank", lambda: 0)
    with pytest.raises(SystemExit, match="CUESCAN_BATCH_SIZE is 1 but there are 2 processes"):
        trainer.initialize()
