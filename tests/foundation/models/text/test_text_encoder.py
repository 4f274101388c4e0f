import pytest
import torch

from foundation.checkpoints.hashes import text_sha256
from foundation.checkpoints.text_encoders import load_text_encoder
from foundation.models.text.encoder import CLIPPooledEncoder
from shared.errors import InputError, WeightsError

PROMPTS = ["a red circle moves right", "a circle", ""]


@pytest.fixture(scope="module")
def encoder(starter_folder):
    return load_text_encoder(starter_folder, dtype=torch.float32)


def test_padding_is_trimmed_to_the_longest_prompt(encoder):
    text = encoder(PROMPTS)
    assert text.embeds.shape[:2] == text.mask.shape
    assert text.mask.sum(1).tolist() == sorted(text.mask.sum(1).tolist(), reverse=True)
    assert text.mask[0].all()
    assert text.pooled.shape == (3, 24)


def test_prompts_of_one_length_carry_no_mask(encoder):
    assert encoder("a red circle").mask is None


def test_a_prompt_is_encoded_alike_alone_and_in_a_batch(encoder):
    batch = encoder(PROMPTS)
    for row, prompt in enumerate(PROMPTS):
        alone = encoder(prompt)
        length = alone.embeds.shape[1]
        torch.testing.assert_close(batch.embeds[row, :length], alone.embeds[0], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(batch.pooled[row], alone.pooled[0], atol=1e-5, rtol=1e-4)


def test_states_are_the_third_from_the_end_without_a_norm(encoder):
    tokens, crop = encoder.mllm.tokenize(PROMPTS, "video")
    with torch.no_grad():
        whole = encoder.mllm.model(
            input_ids=tokens.ids, attention_mask=tokens.mask.long(), output_hidden_states=True
        )
    text = encoder(PROMPTS)
    expected = whole.hidden_states[-3][:, crop:][text.mask]
    torch.testing.assert_close(text.embeds[text.mask], expected, atol=1e-5, rtol=1e-4)


def test_upper_layers_are_not_run_and_come_back_afterwards(encoder):
    last, ran = encoder.mllm.decoder.layers[-1], []
    hook = last.register_forward_hook(lambda *_: ran.append(True))
    encoder("a red circle")
    hook.remove()
    assert not ran
    assert len(encoder.mllm.decoder.layers) == 4
    assert type(encoder.mllm.decoder.norm).__name__ == "LlamaRMSNorm"


def test_template_prefix_is_cropped_and_the_end_of_turn_stays(encoder):
    assert encoder("").embeds.shape[1] == 1
    assert encoder("circle", kind="image").embeds.shape[1] == encoder("circle", kind="video").embeds.shape[1]


def test_truncation_is_said_aloud(encoder):
    notes = []
    text = encoder("circle " * 300, note=notes.append)
    assert text.embeds.shape[1] == 256
    assert len(notes) == 2
    assert "not read" in notes[0]
    assert "CLIP" in notes[1]


def test_short_prompts_leave_no_note(encoder):
    notes = []
    encoder(PROMPTS, note=notes.append)
    assert notes == []


def test_pooled_state_is_the_one_at_the_end_of_the_text(encoder):
    ids = torch.tensor([encoder.clip.tokenizer("a red circle")["input_ids"]])
    with torch.no_grad():
        states = encoder.clip.model(ids).last_hidden_state
    torch.testing.assert_close(encoder("a red circle").pooled[0], states[0, -1], atol=1e-5, rtol=1e-4)


def test_a_long_text_keeps_clips_end_token(encoder):
    pooled, cut = encoder.clip(["circle " * 100])
    assert pooled.shape == (1, 24)
    assert cut[0] > 0


def test_markup_in_a_prompt_is_refused(encoder):
    for markup in ("<|eot_id|>", "<image>", "<|endoftext|>"):
        with pytest.raises(InputError, match="markup"):
            encoder(f"a circle {markup} a square")


def test_any_language_has_an_encoding(encoder):
    prompt = "ein Drache, 日本の猫 🐈"
    ids = encoder.mllm.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    assert encoder.mllm.tokenizer.decode(ids) == prompt.lower()
    assert torch.isfinite(encoder(prompt).embeds).all()


def test_clip_with_a_foreign_tokenizer_is_refused(encoder):
    with pytest.raises(WeightsError, match="end"):
        CLIPPooledEncoder(encoder.clip.model, encoder.mllm.tokenizer)


def test_pictures_reach_the_states(encoder):
    model, tokenizer = encoder.mllm.model, encoder.mllm.tokenizer
    ids = torch.tensor([tokenizer("<image>" * model.config.image_seq_length + "circle")["input_ids"]])
    mask = torch.ones_like(ids)
    with torch.no_grad():
        black, white = (
            encoder.mllm.states(ids, mask, torch.full((1, 3, 64, 64), value)) for value in (-1.0, 1.0)
        )
    assert not torch.allclose(black[:, -1], white[:, -1])


def test_identity_of_the_states_leaves_out_the_layers_above_them(starter_folder):
    encoder = load_text_encoder(starter_folder, dtype=torch.float32)
    layers, before = encoder.mllm.decoder.layers, text_sha256(encoder)
    with torch.no_grad():
        layers[-1].mlp.down_proj.weight.zero_()
    assert text_sha256(encoder) == before
    with torch.no_grad():
        layers[0].mlp.down_proj.weight.zero_()
    assert text_sha256(encoder) != before
