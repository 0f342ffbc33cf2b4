"""Sample posts like those of a scraped site, with its dirty values. Pure functions.

Every cleaning rule applies to some rows of the default sample. The values come from integer draws
and plain arithmetic, without logarithms and powers, whose last bit differs between machines.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from mimesis import Person
from mimesis.locales import Locale

from pinterest_platform.emulator import words

# LIKE pattern of a sample post's unique_id: a UUID of version 8 (RFC 9562: custom) with our mark.
# Real posts have version 4, so ``pinterest seed-db`` recognises its own rows.
SAMPLE_ID = "________-____-8___-a___-5eed________"

NO_TITLE = ("No Title Data Available",)
NO_DESCRIPTION = (
    "No description available",
    "No description available Story format",
    "Untitled",
)
NO_USER = ("User Info Error",)
NO_TAGS = ("N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e",)
NO_IMAGE = ("Image src error.",)

STORY = "multi-video(story page format)"

FIRST_POST = datetime(2017, 1, 1)  # noqa: DTZ001 - the source's columns have no time zone
LAST_POST = datetime(2022, 12, 31, 23, 59, 59)  # noqa: DTZ001
FIRST_JOINED = datetime(2015, 1, 1)  # noqa: DTZ001
# Five of six users joined before the first date, the others before the second.
MOST_JOINED = datetime(2017, 12, 31, 23, 59, 59)  # noqa: DTZ001
LAST_JOINED = datetime(2021, 12, 31, 23, 59, 59)  # noqa: DTZ001

Row = dict[str, str | int | float | datetime | None]


@dataclass(frozen=True, kw_only=True)
class _User:
    first_name: str
    last_name: str
    age: int
    date_joined: datetime


@dataclass(frozen=True)
class _Poster:
    name: str
    followers: int | None
    written: str


def sample(rows: int, seed: int) -> Iterator[dict[str, Row]]:
    """Posts 0 to rows - 1, each as ``{"pin": row, "geo": row, "user": row}``.

    A row is {column: value} for the tables in ``database``. The same rows and seed give the same
    posts on every machine and day. There are about a third as many users as posts, and half as many
    posters; a user keeps name, age and date_joined, which is before all their posts.
    """
    draw = random.Random(f"sample {seed}")  # noqa: S311 - repeatable, no secret
    people = [Person(Locale(name), seed=seed) for name in words.LOCALES]
    users = [_user(draw, people) for _ in range(max(1, rows // 3))]
    posters = [_poster(draw, people) for _ in range(max(1, rows // 2))]
    categories = list(words.CATEGORIES)
    category_shares = list(accumulate(share for share, _ in words.CATEGORIES.values()))
    country_shares = list(accumulate(1 / rank for rank in range(1, len(words.COUNTRIES) + 1)))
    for index in range(rows):
        category = draw.choices(categories, cum_weights=category_shares)[0]
        country = draw.choices(words.COUNTRIES, cum_weights=country_shares)[0]
        user = draw.choice(users)
        yield {
            "pin": _pin(draw, index, category, draw.choice(posters)),
            "geo": _geolocation(draw, index, country, user.date_joined),
            "user": {
                "ind": index,
                "first_name": user.first_name,
                "last_name": user.last_name,
                "age": user.age,
                "date_joined": user.date_joined,
            },
        }


def _pin(draw: random.Random, index: int, category: str, poster: _Poster) -> Row:
    media = draw.choices(("image", "video", STORY), (72, 18, 10))[0]
    image_share = 1 if media == "image" else 25
    image_src = _dirty(draw, _image(draw, media), NO_IMAGE, image_share)
    poster_name, followers = _text(draw, poster.name), _follower_count(draw, poster)
    if _chance(draw, 8):
        # The scraper loses both values or none.
        poster_name, followers = _variant(draw, NO_USER[0]), _variant(draw, NO_USER[0])
    lost = str(image_src).strip().lower().startswith("image src error")
    no_description = NO_DESCRIPTION if media == STORY else (NO_DESCRIPTION[0], NO_DESCRIPTION[2])
    return {
        "index": index,
        "unique_id": _unique_id(draw, index),
        "title": _dirty(draw, _title(draw, category, poster.name), NO_TITLE, 7),
        "description": _dirty(
            draw,
            _description(draw, category, poster.name),
            no_description,
            40 if media == STORY else 6,
        ),
        "poster_name": poster_name,
        "follower_count": followers,
        "tag_list": _dirty(draw, _tags(draw, category), NO_TAGS, 9),
        "is_image_or_video": media,
        "image_src": image_src,
        "downloaded": 0 if lost else 1,
        "save_location": _text(draw, f"Local save in /data/{category}"),
        "category": category,
    }


def _geolocation(draw: random.Random, index: int, country: str, joined: datetime) -> Row:
    latitude, longitude = round(draw.uniform(-90, 90), 4), round(draw.uniform(-180, 180), 4)
    if _chance(draw, 0.3):
        latitude, longitude = draw.choice(((95.2, longitude), (latitude, -181.5), (-120.0, 200.0)))
    return {
        "ind": index,
        "timestamp": _moment(draw, max(FIRST_POST, joined), LAST_POST),
        "latitude": latitude,
        "longitude": longitude,
        "country": draw.choice(("", "  ", None)) if _chance(draw, 0.3) else country,
    }


def _user(draw: random.Random, people: list[Person]) -> _User:
    person = _person(draw, people)
    last = MOST_JOINED if draw.randrange(6) else LAST_JOINED
    age = draw.choices(
        (
            draw.randint(18, 35),
            draw.randint(18, 60),
            draw.randint(61, 85),
            draw.randint(13, 17),
            draw.choice((-1, 130, 999)),
        ),
        (480, 467, 20, 30, 3),
    )[0]
    joined = _moment(draw, FIRST_JOINED, last)
    return _User(
        first_name=person.first_name(),
        last_name=person.last_name(),
        age=age,
        date_joined=joined,
    )


def _poster(draw: random.Random, people: list[Person]) -> _Poster:
    name = draw.choice(words.POSTERS).format(
        name=_person(draw, people).full_name(), n=draw.randint(1, 99), **_filling(draw)
    )
    if _chance(draw, 0.4):
        return _Poster(name, None, draw.choice(("unknown", "12 thousand", "n/a")))
    digits = draw.choices(range(1, 11), (20, 80, 240, 280, 220, 120, 34, 5, 1, 1))[0]
    followers = min(draw.randrange(10 ** (digits - 1), 10**digits), 1_000_000_000)
    return _Poster(name, followers, _abbreviate(draw, followers))


def _follower_count(draw: random.Random, poster: _Poster) -> str | None:
    """The same text for most posts of a poster; for some, a slightly different count."""
    if poster.followers is None:
        return poster.written
    if _chance(draw, 0.6):
        return _blank(draw)
    if _chance(draw, 15):
        return _abbreviate(draw, poster.followers * draw.randint(97, 103) // 100)
    return poster.written


def _abbreviate(draw: random.Random, number: int) -> str:
    """The number as Pinterest displays follower counts: 746, 1,234, 1.2k, 136k, 1.5m, 2M, 1B."""
    if number < 1_000:
        return str(number)
    if number < 10_000 and not draw.randrange(4):
        return f"{number:,}"
    unit, letters = next(
        (unit, letters)
        for unit, letters in ((10**9, "B"), (10**6, "MMMm"), (10**3, "kkkK"))
        if number >= unit
    )
    whole, tenth = number // unit, number * 10 // unit % 10
    letter = draw.choice(letters)
    return f"{whole}.{tenth}{letter}" if whole < 10 and tenth else f"{whole}{letter}"


def _title(draw: random.Random, category: str, poster: str) -> str:
    templates = words.FOREIGN_TITLES if _chance(draw, 15) else words.TITLES
    return _fill(draw, draw.choice(templates), category, poster)


def _description(draw: random.Random, category: str, poster: str) -> str:
    templates = words.FOREIGN_DESCRIPTIONS if _chance(draw, 15) else words.DESCRIPTIONS
    chosen = draw.sample(templates, draw.randint(1, 3))
    return " ".join(_fill(draw, template, category, poster) for template in chosen)


def _fill(draw: random.Random, template: str, category: str, poster: str) -> str:
    values = _filling(draw, category)
    return template.format(
        n=draw.randint(3, 101),
        year=draw.randint(2017, 2022),
        category=category,
        poster=poster,
        **values,
    )


def _filling(draw: random.Random, category: str = "") -> dict[str, str]:
    category = category or draw.choice(list(words.CATEGORIES))
    return {"thing": draw.choice(words.CATEGORIES[category][1]), "emoji": draw.choice(words.EMOJI)}


def _tags(draw: random.Random, category: str) -> str:
    things = words.CATEGORIES[category][1]
    tags = draw.sample(things, draw.randint(1, len(things)))
    return ",".join([category.replace("-", " ").title(), *tags])


def _image(draw: random.Random, media: str) -> str:
    name = f"{draw.getrandbits(128):032x}"
    folder = "originals" if media == "image" else "videos/thumbnails/originals"
    return f"https://i.pinimg.com/{folder}/{name[:2]}/{name[2:4]}/{name[4:6]}/{name}.jpg"


def _unique_id(draw: random.Random, index: int) -> str:
    bits = f"{draw.getrandbits(72):018x}"
    return f"{bits[:8]}-{bits[8:12]}-8{bits[12:15]}-a{bits[15:]}-5eed{index:08x}"


def _person(draw: random.Random, people: list[Person]) -> Person:
    return people[0] if draw.randrange(5) else draw.choice(people)


def _moment(draw: random.Random, first: datetime, last: datetime) -> datetime:
    return first + timedelta(seconds=draw.randint(0, int((last - first).total_seconds())))


def _chance(draw: random.Random, percent: float) -> bool:
    return draw.random() * 100 < percent


def _dirty(
    draw: random.Random, text: str, placeholders: tuple[str, ...], percent: float
) -> str | None:
    """A placeholder in so many percent of the rows, otherwise ``_text``."""
    if _chance(draw, percent):
        return _variant(draw, draw.choice(placeholders))
    return _text(draw, text)


def _text(draw: random.Random, text: str) -> str | None:
    """The text; in one of a hundred rows blank, in another with spaces around it."""
    fate = draw.randrange(100)
    if fate == 0:
        return _blank(draw)
    return f"  {text} \n" if fate == 1 else text


def _blank(draw: random.Random) -> str | None:
    return draw.choice((None, "", "   ", "\t\n"))


def _variant(draw: random.Random, placeholder: str) -> str:
    """A placeholder, one time in ten in another spelling."""
    if draw.randrange(10):
        return placeholder
    stopped = placeholder[:-1] if placeholder.endswith(".") else f"{placeholder}."
    return draw.choice(
        (placeholder.lower(), placeholder.upper(), stopped, f"  {placeholder} ", f" {stopped} ")
    )
