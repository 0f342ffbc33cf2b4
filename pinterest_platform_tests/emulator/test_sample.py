"""The sample: the same everywhere, joined, within its years, and as dirty as the real data."""

import os
import re
import subprocess
import sys
from collections import defaultdict
from datetime import datetime
from typing import Any

import pytest

from pinterest_platform.emulator.sample import Row, sample

Posts = list[dict[str, Row]]


@pytest.fixture(scope="module")
def posts() -> Posts:
    return list(sample(11_000, 100))


def values(posts: Posts, kind: str, column: str) -> list[Any]:
    return [post[kind][column] for post in posts]


def test_the_same_seed_gives_the_same_posts(posts: Posts) -> None:
    assert list(sample(11_000, 100)) == posts


def test_another_seed_gives_other_posts(posts: Posts) -> None:
    other = list(sample(11_000, 101))
    assert all(other[n][kind] != posts[n][kind] for n in range(50) for kind in posts[n])


def test_neither_hash_seed_nor_time_zone_changes_the_posts() -> None:
    code = (
        "import hashlib; from pinterest_platform.emulator.sample import sample;"
        "print(hashlib.sha256(repr(list(sample(500, 3))).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONHASHSEED": hash_seed, "TZ": zone},
            capture_output=True,
            check=True,
        ).stdout
        for hash_seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    }
    assert len(digests) == 1


def test_the_three_rows_of_a_post_share_its_index(posts: Posts) -> None:
    assert values(posts, "pin", "index") == list(range(11_000))
    assert values(posts, "geo", "ind") == list(range(11_000))
    assert values(posts, "user", "ind") == list(range(11_000))


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_sample_can_be_small(rows: int) -> None:
    assert len(list(sample(rows, 100))) == rows


@pytest.mark.parametrize(
    ("column", "placeholder"),
    [
        ("title", "No Title Data Available"),
        ("description", "No description available"),
        ("description", "No description available Story format"),
        ("description", "Untitled"),
        ("poster_name", "User Info Error"),
        ("follower_count", "User Info Error"),
        ("tag_list", "N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e"),
        ("image_src", "Image src error."),
    ],
)
def test_each_placeholder_occurs_in_several_spellings(
    posts: Posts, column: str, placeholder: str
) -> None:
    written = [str(value) for value in values(posts, "pin", column)]
    core = placeholder.rstrip(".").lower()
    meant = [text for text in written if text.strip().rstrip(".").lower() == core]
    exact = meant.count(placeholder)
    assert 100 < exact < 1_100
    assert 0 < len(meant) - exact < exact / 4
    assert any(text != text.strip() for text in meant)
    assert any(text.endswith(".") for text in meant)
    assert any(not text.strip().endswith(".") for text in meant)
    assert any(text.isupper() for text in meant)


@pytest.mark.parametrize(
    "column",
    ["title", "description", "poster_name", "follower_count", "tag_list", "image_src"],
)
def test_nulls_empty_and_blank_values_occur_rarely(posts: Posts, column: str) -> None:
    written = values(posts, "pin", column)
    blank = [value for value in written if value is None or not value.strip()]
    assert {None, "", "   "} <= set(blank)
    assert len(blank) < 300


def test_poster_and_followers_are_lost_together(posts: Posts) -> None:
    def lost(value: object) -> bool:
        return str(value).strip().lower().startswith("user info error")

    pairs = zip(
        values(posts, "pin", "poster_name"), values(posts, "pin", "follower_count"), strict=True
    )
    assert all(lost(name) == lost(followers) for name, followers in pairs)


@pytest.mark.parametrize(
    "form",
    [
        r"\d{1,3}",
        r"\d,\d{3}",
        r"\d{1,3}k",
        r"\d\.\dk",
        r"\d{1,3}M",
        r"\d\.\dm",
        r"1B",
        r"unknown",
        r"12 thousand",
    ],
)
def test_follower_counts_occur_in_every_form(posts: Posts, form: str) -> None:
    assert any(re.fullmatch(form, str(text)) for text in values(posts, "pin", "follower_count"))


def test_the_follower_count_of_a_poster_varies_a_little(posts: Posts) -> None:
    counts = defaultdict(list)
    for post in posts:
        name, followers = post["pin"]["poster_name"], post["pin"]["follower_count"]
        if name and followers and "error" not in str(followers).lower():
            counts[name].append(followers)
    repeated = [texts for texts in counts.values() if len(texts) > 1]
    assert len(repeated) > 1_000
    assert any(len(set(texts)) == 1 for texts in repeated)
    assert any(len(set(texts)) > 1 for texts in repeated)


def test_posters_tie(posts: Posts) -> None:
    names = defaultdict(set)
    for post in posts:
        if str(post["pin"]["follower_count"]).endswith(("M", "m")):
            names[post["pin"]["follower_count"]].add(post["pin"]["poster_name"])
    assert any(len(tied) > 1 for tied in names.values())


def test_a_lost_image_is_not_downloaded(posts: Posts) -> None:
    for post in posts:
        lost = "src error" in str(post["pin"]["image_src"]).lower()
        assert post["pin"]["downloaded"] == (0 if lost else 1)


def test_videos_lose_their_image_more_often(posts: Posts) -> None:
    lost = defaultdict(list)
    for post in posts:
        lost[post["pin"]["is_image_or_video"]].append(1 - int(str(post["pin"]["downloaded"])))
    share = {media: sum(flags) / len(flags) for media, flags in lost.items()}
    assert set(share) == {"image", "video", "multi-video(story page format)"}
    assert share["video"] > 5 * share["image"]


@pytest.mark.parametrize(
    "script",
    [r"[ぁ-ヿ]", r"[؀-ۿ]", r"[а-я]", r"[α-ω]", r"[éàç]", "[\U0001f300-\U0001faff]", '"', ","],
)
@pytest.mark.parametrize("column", ["title", "description", "poster_name"])
def test_texts_have_scripts_accents_emoji_and_punctuation(
    posts: Posts, column: str, script: str
) -> None:
    if column == "poster_name" and script == '"':
        script = "'"
    assert any(re.search(script, str(text)) for text in values(posts, "pin", column))


@pytest.mark.parametrize("character", ["\n", "\t"])
def test_descriptions_contain_newlines_and_tabs(posts: Posts, character: str) -> None:
    assert any(character in str(text).strip() for text in values(posts, "pin", "description"))


def test_save_location_names_the_category(posts: Posts) -> None:
    for post in posts:
        place = str(post["pin"]["save_location"] or "").strip()
        assert place in {"", f"Local save in /data/{post['pin']['category']}"}


def test_years_of_posts_and_of_joining(posts: Posts) -> None:
    posted = values(posts, "geo", "timestamp")
    joined = values(posts, "user", "date_joined")
    assert {moment.year for moment in posted} == set(range(2017, 2023))
    assert {moment.year for moment in joined} == set(range(2015, 2022))
    assert sum(moment.year <= 2017 for moment in joined) > 0.8 * len(joined)
    assert all(isinstance(moment, datetime) and not moment.microsecond for moment in posted)


def test_nobody_posts_before_joining(posts: Posts) -> None:
    assert all(post["user"]["date_joined"] <= post["geo"]["timestamp"] for post in posts)  # type: ignore[operator]


def test_users_have_several_posts_with_the_same_values(posts: Posts) -> None:
    people = {tuple(list(post["user"].values())[1:]) for post in posts}
    assert 3_000 < len(people) < 3_700
    ages = defaultdict(set)
    for first_name, last_name, age, joined in people:
        ages[first_name, last_name, joined].add(age)
    assert all(len(several) == 1 for several in ages.values())


def test_ages(posts: Posts) -> None:
    ages = values(posts, "user", "age")
    impossible = [age for age in ages if not 0 <= age <= 120]
    assert set(impossible) == {-1, 130, 999}
    assert len(impossible) < 0.01 * len(ages)
    assert 0.9 < sum(18 <= age <= 60 for age in ages) / len(ages) < 1
    assert any(0 <= age < 18 for age in ages)


def test_a_few_coordinates_are_outside_the_globe(posts: Posts) -> None:
    outside = [
        post
        for post in posts
        if abs(float(str(post["geo"]["latitude"]))) > 90
        or abs(float(str(post["geo"]["longitude"]))) > 180
    ]
    assert 0 < len(outside) < 0.01 * len(posts)
    assert any(post["geo"]["latitude"] == 95.2 for post in outside)


def test_countries_and_categories_are_many_and_skewed(posts: Posts) -> None:
    countries = [c for c in values(posts, "geo", "country") if c and c.strip()]
    assert len(set(countries)) >= 60
    assert countries.count("United States of America") > 20 * countries.count("Armenia")
    categories = values(posts, "pin", "category")
    assert len(set(categories)) == 13
    assert categories.count("diy-and-crafts") > 3 * categories.count("event-planning")
