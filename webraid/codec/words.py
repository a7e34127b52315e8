"""The 2048 short English words that passphrases are drawn from: 11 bits each.  Never reordered, never changed."""

from __future__ import annotations

_TEXT = """
able about above accent accept account acid acorn acre action actor adjust admire adult advice aerial affair again
agile agree ahead aisle alarm album algae alien alike alive alley allow almond almost along alpha alpine also alter
always amber amount amuse anchor ancient angle animal ankle answer antler anvil apart apple apply apricot april
arbor arch arctic area arena argue arise army around arrange arrive arrow artist ascend aside aspen asphalt assist
atlas atom attach attend attic auction audio august aunt author avenue avoid award aware away axle baby back bacon
badge bagel bake baker balance balcony ballet balloon bamboo banana band banjo bank banner barber bare bargain bark
base basil basin batch bath baton battle beach beacon bead beam bean bear beard beast beaver become beech beef
beetle before behind being belong below belt bench bend berry beside best beyond bicycle bike bill birch bird
biscuit bison bitter black blade blanket blast blaze blend block bloom blossom blue bluff blunt blush board boast
boat body boil bolt bone bonfire bonus book boost boot border borrow boss botany bottle bottom bounce boundary
bracket brain brake brass brave bread break breeze brew brick bridge brief bright bring brisk broad brook broom
brother brown brush bucket buckle budget buffalo bugle build bulb bulk bull bunch bundle burger burn burrow bush
business busy butter button buyer buzz cabbage cabin cable cactus cage cake calm camel camera camp canal candle
candy canoe canvas cape captain carbon card cargo carol carpet carrot carry cart carton case cash casino castle
casual catch cattle caught cause cave cedar ceiling cell cello cement cereal certain chain chair chalk chamber
chance change channel chapel chapter charge charm chart chase check cheek cheer cheese cherry chess chest chestnut
chicken chief chill chimney chin choice choose chorus church cinema circle circus citizen city civil clam clap
clarify class clay clean clear clerk clever client cliff climate clinic close cloud clove club clue cluster coal
coast coat cobalt cobweb cocoa coconut code coffee coil coin collar collect color column come comfort comic common
compass concert cone cord core cork corn corner correct cosmic cost cottage cotton couch count country county couple
courage course court cousin cover cowboy coyote crab cradle craft crane creek crew cricket crisp crop cross crowd
crown crumb crust crystal cube curb curious curl curly current curtain curve cushion custom cycle cymbal cypress
daily dairy daisy damp dance dapper daring dash data date daughter dawn dear debate decade decide deep deer degree
delay delta denim depend deputy describe desert design desk detail develop device dial diamond diary dictate diet
differ digit direct dirt distant ditch dive divide dock doctor doll dolphin donate donkey door double dough dove
down dozen draft dragon drama draw dream dress drift drill drink drive drizzle drum duck duet dune during dusk dust
duty dwell dynamo each eager earn earth easel east easy echo edge edit editor effort eight either elastic elbow
elder elect elegant element elephant elevate else ember emblem emerald employ empty enamel endless energy enjoy
enough entire entry envelope envoy equator equip erase errand escape essay eternal event ever every evolve exam
example except excite exhale exile exist expect expert explain explore extend extra fable fabric face fact factor
factory fade fair fairy faith falcon fall famous farm farmer fashion fast father feast feather feature federal feed
feel fellow felt fence festival fiber fiddle field fifteen figure file film final fine finger finish firm first
fiscal fish five flag flame flash flat flavor flax fleet flex flight flint flip float flock floor floral flow flower
fluid flute foam focus foil fold follow food foot forest forever forge forget fork form formal fort fortune forty
forum forward found four frame fresh friday friend fringe frog front fruit fudge fuel full funnel furnace fuzzy
gadget gain gallery gallop game garage garden garlic garnet gate gauge gaze gear gecko general genius gesture giant
gift ginger giraffe girl give glacier glad glass glaze gleam glimpse glitter globe glory glove glow glue goal goat
goblet gold golf good goose gopher gospel govern gown grab grain grand granite grant grape gravel gravy gray graze
great green greet grid grill grin grip grocery groom group grove grow growth guard guava guest guide guild guitar
gulf gull gust habit hail hair half hall hammer hammock hamster hand handle happen happy harbor hardy harness harp
harvest haven hawk hazel head heal health hear heart heat heather heavy hedge heel height helmet help herald herb
herd hermit hero heron herring hickory high hike hinge hint hire history hive hobby hockey hole holiday hollow holly
home honest honey hood hoof hook hope horizon horn host hotel hound hour hover huddle human humble humid humor
hundred hunt hurdle hybrid icicle icon idea ideal identify igloo image imagine impact improve inch include income
index indigo indoor infant inhale initial inner input inside inspire install into invent invest invite iris iron
island issue item ivory jacket jade janitor january jasmine jazz jeans jelly jersey jest jigsaw jockey join joke
journal journey judge juice juicy july jumbo jump june jungle junior juniper jury just justice kale kayak keen keep
kelp kennel kernel kettle kick kidney kilo kind kitchen kite kitten kiwi knee knife knight knit knob knock know
koala label labor lace ladder lady lagoon lake lamb lamp land lantern lapel lark laser last latch late later latin
laugh laundry laurel lava lawn lawyer lazy leaf league lean learn lease leather leave lecture ledge left legend lend
length lens lentil leopard less lesson lettuce level lever library license life lift light lilac lily limb limit
line linen linger link liquid list listen liter little live lively lizard load loan lobby lobster local lock locket
lodge loft logic lonely look loop loose lotus lounge love loyal lumber lunar lung lyric machine madam magenta magic
maid mail main major make mallet mammoth manage mango manner manor mansion mantle manual many maple marble margin
marina marine mark marsh mask mason mast match math matter maximum maze meadow meal mean measure meat medal media
medium meet mellow melody melon memo memory mend mental mention menu merchant mercury mercy merge merit message
metal meteor method metro middle midnight mild mile milk mill million mimic mind minimum mink minor minute miracle
mirror mist mitten mixture model modern modest modify moist molar moment monarch money monitor monkey month monument
moon moose moral more morning mortar mosaic moss most motel moth mother motion motor mountain mouse mouth move movie
much muffin multiply museum mushroom music mustard mutual mystery myth nacho nail name napkin narrow nation native
nature near neat need needle neighbor neither neon nerve nest nettle network neutral never news next nickel niece
night nimble nobody nomad noodle noon normal notable nothing notice number nurse nutmeg nylon oasis object oblige
oboe observe obtain obvious ocean octave october octopus odor offer office often okay omega omelet once onion onto
onyx opal open opinion oppose option orange orbit orchard orchid order ordinary origin oriole ornate orphan ostrich
otter ounce outer outfit outlet outside oval oven over owner oxen oxygen ozone pace pack paddle page pail paint pair
pale palette panda panel panic panther paper parade parcel pardon park parrot parsley part party past pasta paste
pastel patch path patient patio pattern pause pave peace peach peacock peak peanut pear pearl pebble pecan pedal
peel pelican pencil pepper perch perhaps permit person petal phone photo phrase piano pick pickle picture piece pier
pigeon pigment pillar pilot pine pink pint pipe pirate piston pitch pixel pizza place plain plan planet plank plant
plaster plastic plate play plaza pleasant please pledge plenty plot plow plug plum plumber plush pocket poem poet
point pole policy polish polite polka pollen polo pond pony pool poplar poppy popular porch portion possible post
potter pottery pouch pound power practice prairie praise prawn pray prefer prepare present press pretty prevent
price pride primary prince print prism private prize problem process produce profit program project promise proof
proper protect proud provide prune pudding pull pulse puma pump pupil puppet puppy pure purple purpose purse push
pyramid quail quaint quality quantum quarry quart quarter quartz queen query quest question quick quiet quill quilt
quince quit quiver quiz quota quote raccoon race rack radio radish raft rain rainbow raisin rake rally ranch random
range rapid rare rate rather raven ravine react read ready real reason rebel recall receive recent record reduce
reef refer reflect reform refuse region regular reindeer reject relax relay release rely remark remedy remember
remote remove render renew rent repair repeat replace reply report rescue resist resort respect rest retire retreat
return reveal review reward rhyme rhythm ribbon rice rich riddle ridge right rigid ring rinse ripple rival river
road roast robe robin robot robust rock rocket role roll romance roof room rooster root rose rotate rotor round
route rover royal rubber ruby rudder rule ruler rumor runner runway rush rust rustic sable saddle safe saga sage
sail sailor salad salmon salon salt salute same sample sandal satin satisfy sauce saucer sauna save scan scarf scene
scenic scheme science scoop scooter scope score scout scrap screen script search season seat second secret section
secure seed seek seem segment select sell senate send senior sense sentence sequel serene series sermon serve
service session settle seven shadow shaft shake shallow share shark sharp shed sheep sheet shelf shell shelter
sheriff shield shine shirt shop shore shoulder shout shovel show shower shrimp shrub shuffle shut shutter sight sign
signal silent silly silver similar simple since sing single sink sister size skate skill skin skip skirt slab slate
sleep sleeve slender slice slide slight slipper slogan slot slow small smart smell smoke smooth snail snake snap
sneak snow soap soccer social sock soda solar sole solid solo solve some someone sonata song soon sorry sort soul
soup source south space spade spaniel spare spark sparrow speak special speech speed spell sphere spice spider spike
spin spinach spiral spirit splash split sponge spoon spot spread spring sprout spruce spur square squash squeeze
squid squirrel stack staff stage stair staple star starch stare start state station statue stay steady steak steam
steel steep stem step stereo stew stick still stir stitch stock stool stop store storm story stove strap street
stretch strike string stripe stroll student study stuff stump sturdy style subject submit subway success such sudden
suffer sugar suit sulfur summit sunday sundial sunny sunset super supper support suppose sure surf surface surge
surprise survey swallow swan sweater sweet swell swift swing switch sword symbol symptom syrup system table tablet
tackle tail tailor take talent talk tall tame tandem tangle tango tank tape target task taste taxi teacher team
teapot tear tell temper temple tender tent term terrace test text textile texture theater theme thick thin thing
third thirst thirty thistle thorn those thread three thrive throat throne through thrush thumb thunder ticket tide
tidy tight tile timber time timid tiny tire tissue titan title toast toddler together toilet tomato tomorrow tone
tongue tonight tool tooth topic torch tornado tortoise total toucan toward towel tower town track tractor trade
traffic trail train transfer travel tray treasure treat trek tremble trend trial tribe tribute trim trio trip trophy
tropical trot trouble truck true trumpet trunk truth tube tulip tuna tundra tune tunic tunnel turban turbine turkey
turn turnip turtle tutor tuxedo tweed twelve twenty twig twilight twin twist type typical ultra umbrella unable
unaware uncle uncover unfair unfold unique unit unite universe unknown unlock until unveil update upgrade uphold
upon upper upset upstairs upward usage useful usual utility utmost vacant vacuum vague valley valor value valve
vanilla vanish variety various varnish vase vast vector vehicle veil vendor venture verb verify version very vessel
vest veteran victory video view village vine vintage vinyl violet violin virtue vision visual vital vivid vocal
voice volcano volume vote vowel voyage wage wagon waist wait wake walk wall walnut walrus waltz wander want warm
wash wasp waste watch water wave wealth wear weasel weave wedding wedge weed week weekend weigh welcome well west
whale wharf wheel when where which whisker whisper white whole wide wife wild wind window wine wing wink winner
winter wire wisdom wise wish wizard woman wonder wood word work world worth wreath wrestle write yard year yellow
yield yodel yoga yogurt yonder youth zebra zenith zigzag zipper zone zoom
"""
WORDS: tuple[str, ...] = tuple(_TEXT.split())
