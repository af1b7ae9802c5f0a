"""The words that names, addresses and products are put together from, as lists for the bulk statements."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping


def _words(text: str) -> list[str]:
    return text.split("|")


FIRST_NAMES = _words(
    "Anna|Ben|Carla|Dieter|Élodie|Fatima|Günther|Helena|Ivo|José|Kateřina|Łukasz|Maëlle|Nguyễn|Olena|Pekka|Quentin|Rósa|"
    "Søren|Teresa|Ümit|Vera|William|Xavier|Yuki|Zoë|秀樹|Олена|محمد|Αλέξης|Mary-Ann|D'Arcy|Anne|Bob|Chris|Dana|Eva|Frank|"
    "Grace|Hans|Ines|Jack|Karl|Lena|Mike|Nora|Otto|Paul|Ruth|Sam"
)
# A last name that some tools take for a missing value, and one for a number.
LAST_NAMES = _words(
    "Null|Infinity|O'Brien|Müller|Łęcki|van der Berg|Østergård|Nuñez|Söhngen|de la Cruz|Šimůnek|Smith|Jones|Fischer|Rossi|"
    "Dubois|Kowalski|Novák|Andersson|Virtanen|Papadopoulos|Іваненко|山田|الخطيب|MacDonald|Smith-Jones|St. John|Žižek|"
    "Garcia|Larsen|Weiß|Schäfer|Nagy|Popescu|Costa|Silva|Kaya|Cohen|Patel|Singh|Kim|Chen|Brown|Taylor|Martin|Walker"
)
_COMPANY_FIRST = _words(
    "Acme|Nordwind|Brückner|Piñón|Œuvre|Łódź|Prairie|Blue Ridge|Alpha & Omega|Smith Bros.|Øresund|Great Lakes|Tokyo|"
    '"Best" Price|Rhein-Main|Žito|Sunrise|Pioneer|O\'Hara|First Choice'
)
_COMPANY_SECOND = _words(
    "Supply Co.|Tools GmbH|Electric, Inc.|Bâtiment SARL|Werkzeuge & Söhne|Plumbing|Industrie S.p.A.|Trading \\ Export|"
    "Hardware 24/7|Partners <EU>"
)
PRODUCT_MATERIALS = _words(
    "Stainless|Brass|Galvanised|PVC|Oak|Titanium|Copper|Nylon|Édition Pro|Heavy-Duty|Wärmegedämmt|10%|C++|Eco ♻"
)
PRODUCT_NOUNS = _words(
    "Hex Bolt|Pipe Elbow|Drill Bit|Cable Tie|Hammer|Sägeblatt|Clé à molette|Valve|LED Lamp|Glove|Gasket|Ladder|Paint|"
    'Schraube|Wrench "Pro"|Saw, Hand|Rivet\\Nut|Hinge'
)
PRODUCT_SIZES = ['M8 × 40', '1/2"', "3' long", "5 µm", "Ø 20 mm", "L", "24 V; 2 A", "No. 7", "", "100 pcs."]  # fmt: skip
STREETS = _words(
    "Main Street|Industriestraße|Rue de l'Église|Calle Ñandú|Ulica Żurawia|5th Ave.|High St, Unit|Ringstraße|Kungsgatan|"
    "Dock Road|North 3rd|Plaça Major"
)

# City, state, postal code, country, currency. A postal code is text: some begin with 0, some have letters.
PLACES = (
    ("Minneapolis", "MN", "55401", "US", "USD"),
    ("Boston", "MA", "02108", "US", "USD"),
    ("Austin", "TX", "78701-1234", "US", "USD"),
    ("St. Paul", "MN", "55101", "US", "USD"),
    ("New York", "NY", "10001", "US", "USD"),
    ("Seattle", "WA", "98101", "US", "USD"),
    ("Newark", "NJ", "07102", "US", "USD"),
    ("Toronto", "ON", "M5H 2N2", "CA", "CAD"),
    ("Montréal", "QC", "H2Y 1C6", "CA", "CAD"),
    ("Köln", "", "50667", "DE", "EUR"),
    ("Dresden", "", "01067", "DE", "EUR"),
    ("Überlingen", "", "88662", "DE", "EUR"),
    ("Kraków", "", "31-042", "PL", "EUR"),
    ("Sæby", "", "9300", "DK", "EUR"),
    ("Saint-Étienne", "", "42000", "FR", "EUR"),
    ("L'Hospitalet", "", "08901", "ES", "EUR"),
    ("Kingston upon Hull", "", "HU1 2AA", "GB", "GBP"),
    ("London", "", "EC1A 1BB", "GB", "GBP"),
    ("東京", "", "100-0001", "JP", "JPY"),
    ("  Wien ", "", "1010", "AT", "EUR"),
)

_SLUGS = {"秀樹": "hideki", "Олена": "olena", "محمد": "mohamed", "Αλέξης": "alexis", "Іваненко": "ivanenko"}
_SLUGS |= {"山田": "yamada", "الخطيب": "alkhatib"}
_LETTERS = str.maketrans({"ø": "o", "ł": "l", "ß": "ss", "œ": "oe", "æ": "ae", "Ø": "o", "Ł": "l", "Œ": "oe"})


def slug(text: str) -> str:
    """
    Return text as an e-mail address or a host name may contain it.

    :param text: any text
    """
    plain = unicodedata.normalize("NFKD", _SLUGS.get(text, text).translate(_LETTERS)).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def word_lists() -> Mapping[str, list[str]]:
    """Return the lists by the name that the bulk statements know them by; lists of one kind run in parallel."""
    companies = [f"{first} {second}" for first in _COMPANY_FIRST for second in _COMPANY_SECOND]
    cities, states, postal_codes, countries, currencies = (list(column) for column in zip(*PLACES, strict=True))
    return {
        "first_names": FIRST_NAMES,
        "first_name_slugs": [slug(name) for name in FIRST_NAMES],
        "last_names": LAST_NAMES,
        "last_name_slugs": [slug(name) for name in LAST_NAMES],
        "company_names": companies,
        "company_slugs": [slug(name) for name in companies],
        "product_materials": PRODUCT_MATERIALS,
        "product_nouns": PRODUCT_NOUNS,
        "product_sizes": PRODUCT_SIZES,
        "streets": STREETS,
        "cities": cities,
        "states": states,
        "postal_codes": postal_codes,
        "countries": countries,
        "currencies": currencies,
    }
