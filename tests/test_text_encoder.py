from __future__ import annotations

import pytest
import torch

import params
from model.text_encoder import TextEncoder
from model.text_layers import RelativeAttention

CONFIG = params.Encoder(
    channels=16, filter_channels=24, filter_channels_duration=12, layers=2, heads=2, window_size=2, prenet_layers=2
)


@pytest.fixture
def encoder() -> TextEncoder:
    torch.manual_seed(0)
    encoder = TextEncoder(n_symbols=11, n_mels=8, config=CONFIG).eval()
    for parameter in encoder.parameters():  # no projection at zero
        torch.nn.init.normal_(parameter, std=0.3)
    return encoder


@torch.no_grad()
def test_an_item_in_a_padded_batch_equals_the_item_alone(encoder: TextEncoder) -> None:
    ids, lengths = torch.randint(0, 11, (3, 14)), torch.tensor([14, 1, 6])
    batch = encoder(ids, lengths)
    for i, length in enumerate(lengths.tolist()):
        alone = encoder(ids[i : i + 1, :length], lengths[i : i + 1])
        for name in ("mu", "log_durations", "hidden", "mask"):
            together = getattr(batch, name)[i : i + 1]
            torch.testing.assert_close(together[:, :, :length], getattr(alone, name), rtol=1e-5, atol=1e-5)
            assert (together[:, :, length:] == 0).all()


def test_durations_do_not_train_the_encoder(encoder: TextEncoder) -> None:
    ids, lengths = torch.randint(0, 11, (1, 5)), torch.tensor([5])
    encoder(ids, lengths).log_durations.sum().backward()
    assert encoder.proj_w.conv_1.weight.grad is not None
    assert encoder.emb.weight.grad is None


@torch.no_grad()
@pytest.mark.parametrize("length", [1, 2, 3, 9])
def test_relative_attention_is_its_definition(length: int) -> None:
    """Loops over heads, queries and keys."""
    torch.manual_seed(1)
    attention = RelativeAttention(channels=6, heads=2, window=2, dropout=0.0).eval()
    x = torch.randn(1, 6, length)
    query, key, value = (
        conv(x)[0].view(2, 3, length) for conv in (attention.conv_q, attention.conv_k, attention.conv_v)
    )
    out = torch.zeros(2, 3, length)
    for head in range(2):
        for i in range(length):
            keys, values = [], []
            for j in range(length):
                near = abs(j - i) <= 2
                keys.append(key[head, :, j] + (attention.emb_rel_k[0, j - i + 2] if near else 0))
                values.append(value[head, :, j] + (attention.emb_rel_v[0, j - i + 2] if near else 0))
            weights = (torch.stack(keys) @ query[head, :, i] / 3**0.5).softmax(0)
            out[head, :, i] = weights @ torch.stack(values)
    expected = attention.conv_o(out.view(1, 6, length))
    torch.testing.assert_close(attention(x, torch.ones(1, 1, length)), expected, rtol=1e-5, atol=1e-5)


def test_heads_must_divide_the_channels() -> None:
    with pytest.raises(ValueError, match="16 channels do not divide into 3 heads"):
        RelativeAttention(16, heads=3, window=4, dropout=0.0)
