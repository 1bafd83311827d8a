"""The worker of the PyTorch network."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from settle import settle
from torch_layers import load_weights, torch_name
from torch_networks import create
from worker import serve, timed

MEMORY_FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


class TorchSide:
    """Each method is a request of the driver, train.py."""

    def prepare(self, folder, case, training, opponent, threads):
        """Build the network with the weights of folder/weights.npz, and its optimizer."""
        torch.set_num_threads(threads)
        self.folder, self.training = Path(folder), training
        self.memory_format = MEMORY_FORMATS[opponent["memory_format"]]
        weights = dict(np.load(self.folder / "weights.npz"))
        network = create(case["model"], case["classes"], case["precision"])
        load_weights(network, weights)
        self.network = network.to(memory_format=self.memory_format).train()
        self.forward = torch.compile(self.network) if opponent["compiled"] else self.network
        named = dict(network.named_parameters())
        self.exported = list(weights)
        self.parameters = {name: named[torch_name(name)] for name in weights if torch_name(name) in named}
        matrices = [p for p in named.values() if p.ndim > 1]
        vectors = [p for p in named.values() if p.ndim == 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": training["weight_decay"]},
                {"params": vectors, "weight_decay": 0.0},
            ],
            lr=training["learning_rate"], betas=training["betas"], eps=training["eps"], fused=True,
        )  # fmt: skip
        batches = np.load(self.folder / "batches.npz")
        self.images, self.labels = batches["images"], batches["labels"]
        self.steps = 0
        return {"version": f"PyTorch {torch.__version__}", "parameters": len(named)}

    def settle(self):
        """Settle the shifts for the first batch; the weights go back to folder/weights.npz."""
        gap = settle(self.network, self.batch(0)[0])
        state = self.network.state_dict()
        weights = {name: state[torch_name(name)].numpy() for name in self.exported}
        np.savez(self.folder / "weights.npz", **weights)
        return {"narrowest_gap": gap}

    def verify(self):
        """Training-mode logits and one whole training step, of what is timed later, to folder/torch.npz."""
        before = {name: p.detach().clone() for name, p in self.parameters.items()}
        with torch.no_grad():
            logits = self.forward(self.batch(0)[0])  # moves running statistics only, unread here
        found = {"logits": logits.numpy()}
        found["loss"], found["gradient norm"] = self.one_step()
        for name, p in self.parameters.items():
            # after the first step AdamW's moment is (1 - beta1) times the clipped gradient
            found[f"gradient of {name}"] = self.optimizer.state[p]["exp_avg"].numpy() / (
                1 - self.training["betas"][0]
            )
            found[f"update of {name}"] = (p.detach() - before[name]).numpy()
        np.savez(self.folder / "torch.npz", **found)

    def batch(self, index):
        """Images and soft labels of one batch."""
        images = torch.from_numpy(self.images[index]).contiguous(memory_format=self.memory_format)
        return images, torch.from_numpy(self.labels[index])

    def one_forward(self):
        """The forward pass alone on the next batch; returns the sum of the logits."""
        images, _ = self.batch(self.steps % len(self.images))
        self.steps += 1
        with torch.no_grad():
            return self.forward(images).sum().item(), None

    def one_step(self):
        """The next step on the next batch; returns loss and gradient norm."""
        images, labels = self.batch(self.steps % len(self.images))
        self.steps += 1
        loss = F.cross_entropy(self.forward(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.training["clip_norm"])
        self.optimizer.step()
        return loss.item(), norm.item()

    def block(self, work, steps):
        """Time so many steps of a kind of work."""
        return timed({"step": self.one_step, "forward": self.one_forward}[work], steps)


if __name__ == "__main__":
    serve(TorchSide())
