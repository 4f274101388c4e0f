import pytest
from diffusers.pipelines.hunyuan_video import pipeline_hunyuan_video as reference

from foundation.checkpoints.text_encoders import load_tokenizer
from foundation.models.text import HUNYUAN, PromptTemplate, templates_of
from foundation.models.text.starter import TEMPLATES
from foundation.models.text.templates import FOLDER_KEY, prefix_length
from shared.errors import WeightsError


def test_video_template_is_the_one_of_the_released_weights():
    published = reference.DEFAULT_PROMPT_TEMPLATE
    assert HUNYUAN.video.text == published["template"]
    assert HUNYUAN.video.crop_start == published["crop_start"]


def test_released_templates_are_cut_at_351_tokens_in_all():
    assert {t.crop_start + t.max_length for t in (HUNYUAN.video, HUNYUAN.image)} == {351}


def test_a_folder_brings_its_own_templates(starter_folder):
    assert templates_of(load_tokenizer(starter_folder / "tokenizer")) == TEMPLATES


def test_templates_survive_saving_the_tokenizer(starter_folder, tmp_path):
    load_tokenizer(starter_folder / "tokenizer").save_pretrained(tmp_path)
    assert templates_of(load_tokenizer(tmp_path)) == TEMPLATES


def test_a_folder_without_templates_gets_the_released_ones(starter_folder):
    assert templates_of(load_tokenizer(starter_folder / "tokenizer_2")) == HUNYUAN


def test_prefix_is_counted_with_the_begin_of_text(starter_folder):
    tokenizer = load_tokenizer(starter_folder / "tokenizer")
    template = PromptTemplate("<|eot_id|>{}<|eot_id|>")
    assert prefix_length(template, tokenizer) == 2


def test_a_crop_that_contradicts_the_tokenizer_is_refused(starter_folder):
    with pytest.raises(WeightsError, match="95"):
        prefix_length(HUNYUAN.video, load_tokenizer(starter_folder / "tokenizer"))


def test_braces_in_a_prompt_are_text():
    assert PromptTemplate("<{}>").render(" {} and {0} ") == "<{} and {0}>"


@pytest.mark.parametrize("text", ["no place", "{} and {}"])
def test_a_template_has_one_place(text):
    with pytest.raises(WeightsError, match="not once"):
        PromptTemplate(text)


def test_a_damaged_folder_value_is_refused(starter_folder):
    tokenizer = load_tokenizer(starter_folder / "tokenizer")
    tokenizer.init_kwargs[FOLDER_KEY] = {"video": {"text": "{}"}}
    with pytest.raises(WeightsError, match="image"):
        templates_of(tokenizer)
